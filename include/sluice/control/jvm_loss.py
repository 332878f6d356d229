"""A JVM that is gone: whatever call meets it next fails in words of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

from sluice.control import signals
from sluice.errors import Condition, RetryableError

# A connection breaks a moment before its process is gone.
_DYING_SECONDS = 10
# By SIGKILL or SIGTERM, as Popen and as a shell report it.
_KILLED = (-9, -15, 137, 143)
_Process = subprocess.Popen[bytes]


@contextmanager
def jvm_loss_translated() -> Iterator[None]:
    """Raise whatever a call inside makes of a JVM that is gone as an error of ours.

    Raises:
        RetryableError: the JVM of this process is gone.
        SystemExit: so it is because this process was sent a signal.
    """
    try:
        yield
    except _connection_errors() as error:
        is_raised_by_it = hasattr(error, "java_exception")
        if is_raised_by_it or not _is_gone(_jvm_of(error)):
            raise
        raise jvm_gone_error("Spark") from error


def jvm_gone_error(who: str) -> RetryableError | SystemExit:
    """Return what to raise where ``who`` has lost its JVM."""
    sent = signals.received()
    if sent:  # it went to the whole group of processes, and a JVM ends at once
        return SystemExit(signals.exit_code(sent))
    return RetryableError(
        Condition.QUERY_FAILED,
        f"{who}: its JVM is gone, killed or out of memory; the next run repeats the "
        "micro-batch that was cut off, if there was one: run again, with more memory "
        "if need be",
    )


def was_killed(error: Exception) -> bool:
    """Return True if the JVM that, says ``error``, did not start was killed."""
    process = _jvm_of(error)
    return process is not None and process.poll() in _KILLED


def _connection_errors() -> tuple[type[Exception], ...]:
    """Return what py4j raises of a connection that broke before a call or in it."""
    # Asked only when something was raised: most commands never load py4j.
    protocol = sys.modules.get("py4j.protocol")
    return (ConnectionError, protocol.Py4JError) if protocol else (ConnectionError,)


def _is_gone(process: _Process | None) -> bool:
    if process is None:
        # Under spark-submit it is the parent: its own end is what the caller sees.
        return False
    try:
        process.wait(_DYING_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _jvm_of(error: Exception) -> _Process | None:
    """Return the JVM that was about to be this process's, else the one that is.

    PySpark keeps it once it has spoken to it; before that only its function has it.
    """
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    found = (frame.f_locals.get("proc") for frame in frames)
    started = (each for each in found if isinstance(each, subprocess.Popen))
    return next(started, None) or signals.started_jvm()
