"""What Spark and Delta raise, told by what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from sluice.errors import Condition, FatalError, RetryableError, SluiceError

# Whoever meets one of these was not the only writer; nothing of its own was written.
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
)


@contextmanager
def translated(table_location: str) -> Iterator[None]:
    """Raise what Spark raises inside as an error that says whether to try again."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raise translate(table_location, str(error)) from error


def translate(table_location: str, message: str) -> SluiceError:
    """Return the error for a write to ``table_location`` that failed."""
    found = next((name for name in _CONFLICTS if name in message), None)
    if found:
        return RetryableError(
            Condition.COMMIT_CONFLICT,
            f"table {table_location!r}: another process wrote at the same time "
            f"({found}); nothing was written, run again",
            {"table": table_location, "conflict": found},
        )
    first_line = message.strip().split("\n", maxsplit=1)[0]
    return FatalError(
        Condition.QUERY_FAILED,
        f"table {table_location!r}: the query that writes it failed: {first_line}; "
        "nothing of the failed micro-batch was written: mend the cause and run again",
        {"table": table_location},
    )
