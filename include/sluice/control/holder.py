"""Who a process is, so that another one can see if it still lives."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True)
class Holder:
    """One process, distinct from every other one that had or will have its id.

    ``space`` is where ``pid`` means something: one boot of one kernel and one namespace
    of process ids, for containers share host and kernel but not ids. ``started`` is in
    clock ticks since boot. Both are None where the system does not say (no ``/proc``);
    such a process is never taken for gone.
    """

    host: str
    user: str
    pid: int
    space: str | None
    started: int | None

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user}@{self.host}"


def this_process() -> Holder:
    """Return who this process is."""
    return identify(os.getpid())


def identify(pid: int) -> Holder:
    """Return who the process ``pid`` of this machine is, by this process's user."""
    return Holder(socket.gethostname(), _user(), pid, _space(), _started(pid))


def is_gone(holder: Holder) -> bool:
    """Return True if ``holder`` has surely ended; False where that cannot be known."""
    if holder.space is None or holder.space != _space():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # another user's process: its start says if it is this one
    state, started = _stat(holder.pid)
    return state == "Z" or (started is not None and started != holder.started)


def _started(pid: int) -> int | None:
    return _stat(pid)[1]


def _stat(pid: int) -> tuple[str | None, int | None]:
    """Return state and start of a process, None where the system does not say."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None, None
    # The name stands in parentheses and may hold anything, parentheses as well.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


@lru_cache(maxsize=1)
def _space() -> str | None:
    try:
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return str(os.getuid())
