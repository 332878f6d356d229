"""What made a query fail, found below what Spark wraps around it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyspark.errors import PySparkException

from sluice.errors import (
    Condition,
    FatalError,
    RetryableError,
    SluiceError,
    UsageError,
)

_OURS = re.compile(r"sluice\.errors\.(\w+): \[(\w+)\] (.+)")
_KINDS = {each.__name__: each for each in (UsageError, FatalError, RetryableError)}


def own_error(error: PySparkException) -> SluiceError | None:
    """Return the error that our source raised in one of Spark's Python processes.

    Spark hands it on as text only, and in a failed task only as the cause of a cause.
    """
    for text in causes(error):
        match = _OURS.search(text)
        if match and match[1] in _KINDS:
            return _KINDS[match[1]](Condition(match[2]), match[3])
    return None


def causes(error: PySparkException) -> Iterator[str]:
    """Yield the texts of ``error`` and of all that caused it, the outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield str(cause)
        cause = getattr(cause, "_cause", None)
