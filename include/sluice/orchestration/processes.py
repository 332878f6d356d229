"""End processes by a mark in their environment, however far they drifted from us."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import psutil

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Mark:
    """An environment variable that every process started with it hands to its own.

    A process id does not do: once the JVM of spark-submit is gone, its Python driver
    belongs to init and no tree leads to it any more.
    """

    name: str
    value: str

    @classmethod
    def new(cls, name: str) -> Mark:
        """Return a mark that no other process carries."""
        return cls(name, uuid4().hex)

    def as_environment(self) -> Mapping[str, str]:
        """Return the variable to start a process with."""
        return {self.name: self.value}


def list_marked(mark: Mark) -> list[int]:
    """Return the ids of the living processes that carry ``mark``, except this one."""
    found = psutil.process_iter(["pid", "environ", "status"])
    return [
        process.pid
        for process in found
        if (process.info["environ"] or {}).get(mark.name) == mark.value
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and process.pid != os.getpid()
    ]


def end_marked(mark: Mark, *, grace_seconds: float) -> list[int]:
    """Ask every process with ``mark`` to end, kill what remains, and return all ids.

    Children are not waited for: their parent must still learn their exit code.
    """
    asked: set[int] = set()
    deadline = time.monotonic() + grace_seconds
    while alive := list_marked(mark):
        late = time.monotonic() >= deadline
        for pid in alive:
            if late or pid not in asked:
                _send(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked.update(alive)
        time.sleep(_POLL_SECONDS)
    return sorted(asked)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
