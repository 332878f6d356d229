"""The rules of ``sluice.storage_errors``; the texts are those of a real server."""

from __future__ import annotations

import pytest

from sluice.errors import Condition, ExitCode
from sluice.storage_errors import storage_error, storage_errors_translated

URL = "http://127.0.0.1:7070/lake"
DENIED = (
    "The operation lacked the necessary privileges to complete for path k: Error "
    f"performing GET {URL}/k in 2.217293ms - Server returned non-2xx status code: 403 "
    "Forbidden: <Error><Code>SignatureDoesNotMatch</Code></Error>"
)
NO_BUCKET = (
    "Kernel error -> Generic S3 error\n ↳ Error performing list request\n  ↳ Error "
    f"performing GET {URL}?list-type=2&prefix=t in 9.9ms - Server returned non-2xx "
    "status code\n ↳ 404 Not Found\n ↳ <Error><Code>NoSuchBucket</Code></Error>"
)
NO_TLS = (
    f"Generic S3 error: Error performing GET {URL}/k in 154.39µs - HTTP error: builder "
    "error"
)
DOWN = (
    f"Generic S3 error: Error performing PUT {URL}/k in 8.28s, after 10 retries, "
    "max_retries: 10, retry_timeout: 180s  - HTTP error: error sending request"
)
BUSY = (
    f"Generic S3 error: Error performing GET {URL}/k in 8.28s, after 10 retries - "
    "Server returned non-2xx status code: 503 Service Unavailable: "
)


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        (DENIED, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (NO_BUCKET, "NoSuchBucket", "make the bucket"),
        (NO_TLS, "builder error", "AWS_ALLOW_HTTP"),
    ],
)
def test_what_no_repetition_mends_is_refused(text: str, reason: str, hint: str) -> None:
    """Airflow must not try a wrong key again and again."""
    error = storage_error(text)

    assert error is not None
    assert (error.condition, error.exit_code) == (
        Condition.STORAGE_REFUSED,
        ExitCode.USAGE,
    )
    assert error.context["reason"] == reason
    assert hint in error.message


@pytest.mark.parametrize(("text", "reason"), [(DOWN, "no answer"), (BUSY, "503")])
def test_outage_is_to_be_tried_again(text: str, reason: str) -> None:
    """A server that comes back finishes what it was asked."""
    error = storage_error(text)

    assert error is not None
    assert (error.condition, error.exit_code) == (
        Condition.STORAGE_UNAVAILABLE,
        ExitCode.TEMPORARY,
    )
    assert error.context["reason"] == reason
    assert error.context["request"].endswith(f"{URL}/k")


def test_other_errors_pass_as_they_are() -> None:
    """A full disk is no outage of object storage."""
    full = OSError(28, "No space left on device")

    with (
        pytest.raises(OSError, match="No space left") as caught,
        storage_errors_translated(),
    ):
        raise full
    assert caught.value is full
