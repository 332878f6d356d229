"""What object storage refuses or fails to do, by what to do about it.

Its libraries answer with a page of detail, and the same failure comes from obstore,
from delta-rs or, as text only, out of one of Spark's Python workers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError

from sluice.errors import Condition, RetryableError, SluiceError, UsageError

_REQUEST = re.compile(r"Error performing ([A-Z]+ [^\s?]+)")
# What stands before the host of an address may be a password.
_USER = re.compile(r"//[^/\s]*@")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"\b(4\d\d|5\d\d) [A-Z]")
_DENIED = {"401", "403"}
_REMEDIES = {
    "NoSuchBucket": "make the bucket, or correct the location",
    "builder error": (
        "set AWS_ALLOW_HTTP=true for a server without TLS, or correct AWS_ENDPOINT_URL"
    ),
}
_KEYS = "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights of that key"


@contextmanager
def storage_errors_translated() -> Iterator[None]:
    """Raise what object storage fails to do inside as an error of ours.

    Raises:
        UsageError: it refuses the key, the bucket or the address.
        RetryableError: it could not be reached, or failed itself.
    """
    try:
        yield
    except (BaseError, DeltaError, OSError) as error:
        found = storage_error(str(error))
        if found is None:
            raise
        raise found from error


def storage_error(text: str) -> SluiceError | None:
    """Return our error for a library's message, None where there is none."""
    request = _REQUEST.search(_USER.sub("//***@", text))
    if request is None:
        return None
    code, status = _CODE.search(text), _STATUS.search(text)
    known = next((each for each in _REMEDIES if each in text), None)
    reason = code[1] if code else status[1] if status else known or "no answer"
    context = {"request": request[1], "reason": reason}
    if known or (status and status[1] in _DENIED):
        remedy = _REMEDIES[known] if known else _KEYS
        return UsageError(
            Condition.STORAGE_REFUSED,
            f"object storage refuses {request[1]!r}: {reason}; {remedy} "
            "(docs/storage.md)",
            context,
        )
    return RetryableError(
        Condition.STORAGE_UNAVAILABLE,
        f"object storage failed at {request[1]!r}: {reason}; run again when it "
        "answers: what is repeated is written once",
        context,
    )
