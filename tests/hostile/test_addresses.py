"""What stands in an address before its host is shown to no one."""

from __future__ import annotations

from sluice.storage_errors import storage_error


def test_password_of_an_endpoint_is_masked() -> None:
    """In the message and in what travels with it; also where it holds an ``@``."""
    text = (
        "Generic S3 error: Error performing GET "
        "http://me:hunter2@x@s3.example:9000/b/k in 1s - 503 Service Unavailable"
    )

    error = storage_error(text)

    assert error is not None
    assert "hunter2" not in f"{error!s} {error.context}"
    assert "//***@s3.example:9000/b/k" in error.message
