"""Wait for a streaming query, and end it between two micro-batches when asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from py4j.protocol import Py4JNetworkError

from sluice.control import signals
from sluice.errors import Condition, RetryableError

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

    from sluice.control.hold import Hold

_POLL_SECONDS = 1
# Often enough to archive a query's batches, of which Spark keeps the last 100 only.
_MEANWHILE_SECONDS = 20
_IDLE = "Waiting for next trigger"


def await_query(
    query: StreamingQuery,
    hold: Hold,
    *,
    ends_soon: bool = False,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Wait for the end of ``query``; when ``hold`` is asked to stop, bring it about.

    The running micro-batch is finished first. A query that ``ends_soon`` is left to end
    by itself instead. ``meanwhile`` is called now and then, and where it fails, or the
    process is told to end at once, the query is stopped without waiting for its batch.

    Raises:
        RetryableError: the JVM is gone.
        PySparkException: the query failed.
    """
    # The SparkContext that the query runs in has claimed Ctrl-C for itself.
    signals.listen_again()
    due = time.monotonic() + _MEANWHILE_SECONDS
    try:
        while not query.awaitTermination(_POLL_SECONDS):
            if hold.stop_reason and not ends_soon:
                finish_batch(query)
                return
            if time.monotonic() >= due:
                meanwhile()
                due = time.monotonic() + _MEANWHILE_SECONDS
    except (Py4JNetworkError, ConnectionError) as error:
        raise _jvm_gone(hold.lease.query) from error
    finally:
        with suppress(Py4JNetworkError, ConnectionError):
            query.stop()


def finish_batch(query: StreamingQuery) -> None:
    """Let the running micro-batch finish, end ``query`` before the next, and wait.

    Spark's own ``stop`` interrupts the batch. But the batches' thread looks at the
    query's state before each one and nowhere within, so it is told by the state alone.
    """
    execution = query._jsq.streamingQuery()  # noqa: SLF001 - there is no public way
    state = execution.state()
    loader, kind = execution.getClass().getClassLoader(), state.get().getClass()
    terminated = loader.loadClass(f"{kind.getPackageName()}.TERMINATED$")
    state.set(terminated.getField("MODULE$").get(None))
    thread = execution.queryExecutionThread()
    while thread.isAlive():
        thread.join(_POLL_SECONDS * 1000)
        # Between two triggers it sleeps, for as long as they are apart: wake it.
        if thread.isAlive() and query.status["message"] == _IDLE:
            query.stop()
    query.awaitTermination()


def _jvm_gone(query: str) -> RetryableError | SystemExit:
    sent = signals.received()
    if sent:  # it went to the whole group of processes, and a JVM ends at once
        return SystemExit(signals.exit_code(sent))
    return RetryableError(
        Condition.QUERY_FAILED,
        f"query {query!r}: its JVM is gone, killed or out of memory; the next run "
        "repeats the micro-batch that was cut off: run again, with more memory if need "
        "be",
        {"query": query},
    )
