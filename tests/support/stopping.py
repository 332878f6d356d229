"""A run of bronze that will be stopped between its micro-batches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from support.killing import session_states
from support.lakes import SLUICE, Lake

DEADLINE = 240.0


@contextmanager
def running(lake: Lake, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run bronze in a session of its own; nothing of it may be alive afterwards."""
    command = [*SLUICE, "run", str(lake.file), "--steps", "bronze,audit", *options]
    environment = os.environ | {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    process = subprocess.Popen(
        command,
        start_new_session=True,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        left = await_none(lambda: _living(process.pid), seconds=10)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, "processes outlived the run"


def wait_for_batch(lake: Lake, process: subprocess.Popen[str], batch: int) -> None:
    """Wait until a micro-batch is done while more are to come."""
    until = time.monotonic() + DEADLINE
    while lake.bronze.committed < batch:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the batch never came"
        time.sleep(0.02)


def await_none(
    list_left: Callable[[], Sequence[int]], *, seconds: float
) -> Sequence[int]:
    """Return the processes that ``list_left`` still returns after some seconds."""
    until = time.monotonic() + seconds
    while (left := list_left()) and time.monotonic() < until:
        time.sleep(0.1)
    return left


def _living(session: int) -> list[int]:
    return [pid for pid, state in session_states(session).items() if state not in "ZX"]
