"""Wait for a streaming query, and end it between two micro-batches when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError, Py4JNetworkError

from sluice.control import signals
from sluice.control.jvm_loss import jvm_gone_error

if TYPE_CHECKING:
    from pyspark.sql.streaming.query import StreamingQuery

    from sluice.control.hold import Hold

_POLL_SECONDS = 1
# Often enough to archive a query's batches, of which Spark keeps the last 100 only.
_MEANWHILE_SECONDS = 20
_LOCK_POLL_SECONDS = 0.05
# Long enough for the thread to come from its look at the state to its next trigger.
_SLIP_SECONDS = 0.2
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
    by itself instead. ``meanwhile`` is called now and then; where it fails, the query
    is stopped without waiting for its batch.

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
        raise jvm_gone_error(f"query {hold.lease.query!r}") from error
    finally:
        if not signals.ends_at_once():  # else its JVM is killed already
            _stop(query)


def _stop(query: StreamingQuery) -> None:
    # A JVM that is gone has been reported already, as what made the wait end.
    with suppress(Py4JError, ConnectionError):
        query.stop()


def finish_batch(query: StreamingQuery) -> None:
    """Let the running micro-batch finish, end ``query`` before the next, and wait.

    Spark has no way to do that: its ``stop`` interrupts the batch, and a state set to
    TERMINATED does so as well while a batch is planned. But its thread takes a lock to
    write the offset log and again to write the commit log. Its holder can wait
    until the thread stands before its commit, and end the query from there on.
    """
    batches = _Batches(query._jsq.streamingQuery())  # noqa: SLF001 - no public way
    while batches.are_running():
        if batches.end_after_commit():
            batches.join()
        elif batches.end_between_triggers():
            query.stop()  # wakes the thread, which sleeps until the next trigger
        else:
            time.sleep(_LOCK_POLL_SECONDS)
    query.awaitTermination()


class _Batches:
    """The thread that runs a query's micro-batches, in Spark's own terms."""

    def __init__(self, execution: Any) -> None:
        self._execution = execution
        self._thread = execution.queryExecutionThread()
        self._lock = execution.awaitProgressLock()
        package = execution.state().get().getClass().getPackageName()
        loader = execution.getClass().getClassLoader()
        self._states = {
            name: loader.loadClass(f"{package}.{name}$").getField("MODULE$").get(None)
            for name in ("ACTIVE", "TERMINATED")
        }

    def are_running(self) -> bool:
        """Return True if the thread is alive."""
        return bool(self._thread.isAlive())

    def join(self) -> None:
        """Wait for the end of the thread."""
        while self.are_running():
            self._thread.join(_POLL_SECONDS * 1000)

    def end_after_commit(self) -> bool:
        """Make a micro-batch in flight the last one; return True if there is one."""
        with self._locked():
            if not self._is_in_flight():
                return False
            while self.are_running() and not self._stands_before_lock():
                time.sleep(_LOCK_POLL_SECONDS)
            self._set("TERMINATED")
            return True

    def end_between_triggers(self) -> bool:
        """Let no other trigger begin; False where one began at this very moment."""
        with self._locked():
            if self._is_in_flight() or not self._is_idle():
                return False
            self._set("TERMINATED")
            time.sleep(_SLIP_SECONDS)
            if self._is_idle():
                return True
            self._set("ACTIVE")
            return False

    def _is_in_flight(self) -> bool:
        """Whether a batch is in the offset log and not yet in the commit log."""
        planned = self._execution.offsetLog().getLatestBatchId()
        committed = self._execution.commitLog().getLatestBatchId()
        newest = [
            each.get() if each.isDefined() else -1 for each in (planned, committed)
        ]
        return bool(newest[0] > newest[1])

    def _stands_before_lock(self) -> bool:
        return bool(self._lock.hasQueuedThread(self._thread))

    def _is_idle(self) -> bool:
        status = self._execution.status()
        return status.message() == _IDLE and not status.isTriggerActive()

    def _set(self, state: str) -> None:
        self._execution.state().set(self._states[state])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.lock()
        try:
            yield
        finally:
            if not signals.ends_at_once():
                self._lock.unlock()
