"""What SIGTERM and Ctrl-C do: the first lets a micro-batch finish, the second does not.

While a query runs the first signal is only noted: the wait for the query ends it after
its micro-batch. The second one, and any signal while no query runs, ends the
process at once, its JVM included, with exit code 128 + signal. Both are safe: what was
cut off is repeated by the next run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

_OBEYED = (signal.SIGTERM, signal.SIGINT)
_SHELL_OFFSET = 128  # what shells add to the number of the signal that ended a program


@dataclass
class _Signals:
    """What this process, of which there is one, has been sent."""

    is_listening: bool = False
    finishes_first: bool = False
    received: signal.Signals | None = None
    ends_at_once: bool = False


_SIGNALS = _Signals()


@contextmanager
def listening() -> Iterator[None]:
    """Obey SIGTERM and SIGINT as this module says, in the main thread of a command."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _OBEYED}
    _SIGNALS.is_listening, _SIGNALS.received = True, None
    listen_again()
    try:
        yield
    finally:
        _SIGNALS.is_listening, _SIGNALS.received = False, None
        for number, handler in before.items():
            signal.signal(number, handler)


def listen_again() -> None:
    """Take back the signals that a new SparkContext has claimed for itself.

    Its own answer to SIGINT is to cancel all jobs, the running micro-batch among them.
    """
    if _SIGNALS.is_listening:
        for number in _OBEYED:
            # A shell starts a background job with SIGINT ignored: it is not for us.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _obey)


@contextmanager
def finishing_first() -> Iterator[None]:
    """Note the first signal within the block; its code has to look at ``received``."""
    _SIGNALS.finishes_first = True
    try:
        yield
    finally:
        _SIGNALS.finishes_first = False


def received() -> signal.Signals | None:
    """Return the signal that asked this process to stop, if one did."""
    return _SIGNALS.received


def ends_at_once() -> bool:
    """Return True if this process is ending without waiting for anything."""
    return _SIGNALS.ends_at_once


def exit_code(number: int) -> int:
    """Return the exit code of a process that ``number`` ended."""
    return _SHELL_OFFSET + number


def _obey(number: int, _frame: FrameType | None) -> None:
    sent = signal.Signals(number)
    if _SIGNALS.finishes_first and _SIGNALS.received is None:
        _SIGNALS.received = sent
        _say(f"{sent.name}: the micro-batch is finished first; again to stop at once")
        return
    _say(f"{sent.name}: stopped at once; the next run repeats what was cut off")
    _SIGNALS.ends_at_once = True
    _kill_jvm()
    raise SystemExit(exit_code(number))


def _say(text: str) -> None:
    # Not by sys.stderr or a logger: the signal may have come while one was writing.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{text}\n".encode())


def _kill_jvm() -> None:
    """Kill the JVM that this process started; its Python workers end with it.

    Under spark-submit the JVM is the parent, and ends when this process does.
    """
    started = started_jvm()
    if started is not None:
        started.kill()


def started_jvm() -> subprocess.Popen[bytes] | None:
    """Return the JVM that this process started, None where it has started none."""
    context = sys.modules.get("pyspark.core.context")
    gateway = context.SparkContext._gateway if context else None  # noqa: SLF001
    return getattr(gateway, "proc", None)
