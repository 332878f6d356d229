"""What made a query fail, by what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.captured import (
    CapturedException,
    StreamingQueryException,
)

from sluice.errors import (
    Condition,
    FatalError,
    RetryableError,
    SluiceError,
    UsageError,
)
from sluice.storage_errors import storage_error

# A writer that meets one of these was not alone; it wrote nothing.
_CONFLICTS = (
    "CONCURRENT_QUERY",
    "CONCURRENT_STREAM_LOG_UPDATE",
    "DELTA_CONCURRENT_",
    "ConcurrentAppendException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentDeleteReadException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "MetadataChangedException",
    # Of two that make one table, too.
    "ProtocolChangedException",
    "Multiple streaming queries are concurrently using",
)
# How Spark reports that a Python process of its own ended or could not begin.
_PROCESS_GONE = re.compile(
    r"Python worker (exited unexpectedly|failed to connect back)"
    r"|^(caused by: )?java\.(io\.EOFException|net\.SocketException: .+)$",
    re.MULTILINE,
)
_STATE_CHANGED = re.compile(r"STATE_STORE_(KEY|VALUE)_SCHEMA_NOT_COMPATIBLE")
_CAUSED_BY = "\ncaused by: "
_OURS = re.compile(r"sluice\.errors\.(\w+): \[(\w+)\] (.+)")
_KINDS = {each.__name__: each for each in (UsageError, FatalError, RetryableError)}


def own_error(error: PySparkException | Py4JJavaError) -> SluiceError | None:
    """Return the error that our source raised in one of Spark's Python processes.

    Spark hands it on as text only, and in a failed task only as the cause of a cause.
    """
    for text in causes(error):
        match = _OURS.search(text)
        if match and match[1] in _KINDS:
            return _KINDS[match[1]](Condition(match[2]), match[3])
    return None


def name_own_errors() -> None:
    """Let what a failed query raises begin with our own error, if one is the cause.

    Spark's text of a failed write names the table alone.
    """
    setattr(StreamingQueryException, "__str__", _with_own_error)  # noqa: B010


def _with_own_error(error: StreamingQueryException) -> str:
    text = CapturedException.__str__(error)
    cause = error._cause  # noqa: SLF001 - it is kept nowhere else
    ours = own_error(cause) if cause is not None else None
    return text if ours is None or str(ours) in text else f"{ours}\n\n{text}"


def causes(error: PySparkException | Py4JJavaError) -> Iterator[str]:
    """Yield the texts of ``error`` and of all that caused it, the outermost first."""
    cause: BaseException | None = error
    while cause is not None:
        yield str(cause)
        cause = getattr(cause, "_cause", None)


@contextmanager
def translated(table_location: str) -> Iterator[None]:
    """Raise what Spark raises inside as an error that says whether to try again."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        causes = all_causes(error)
        raise own_error(error) or delta_error(table_location, causes) from error


def delta_error(table_location: str, message: str) -> SluiceError:
    """Return the error for a write to ``table_location`` that failed."""
    found = next((name for name in _CONFLICTS if name in message), None)
    if found:
        return RetryableError(
            Condition.COMMIT_CONFLICT,
            f"table {table_location!r}: another process wrote at the same time "
            f"({found}); nothing was written, run again",
            {"table": table_location, "conflict": found},
        )
    outage = storage_error(message)
    if outage:
        return outage
    if _PROCESS_GONE.search(message):
        return RetryableError(
            Condition.QUERY_FAILED,
            f"table {table_location!r}: a Python process of its query is gone, killed, "
            "out of memory or too slow to begin; nothing of the micro-batch was "
            "written: run again, with more memory if need be",
            {"table": table_location},
        )
    if _STATE_CHANGED.search(message):
        return FatalError(
            Condition.QUERY_FAILED,
            f"table {table_location!r}: its query has kept values in other types than "
            "it computes now, as when a column got a wider type; cast the column in "
            "the aggregate to what it was, or remove checkpoint and table of this "
            "query and run again, which computes all windows from bronze",
            {"table": table_location},
        )
    # The first line of each cause says what it is; the plan that follows is no help.
    texts = (text.strip() for text in message.split(_CAUSED_BY))
    reasons = "; caused by: ".join(text.split("\n", maxsplit=1)[0] for text in texts)
    return FatalError(
        Condition.QUERY_FAILED,
        f"table {table_location!r}: its query failed: {reasons}; nothing of the failed "
        "micro-batch was written: mend the cause and run again",
        {"table": table_location},
    )


def all_causes(error: PySparkException | Py4JJavaError) -> str:
    """Return the texts of ``error`` and of all that caused it, as one."""
    return _CAUSED_BY.join(causes(error))
