"""Hold each write of a process tree to a folder until the test says what becomes of it.

Linux asks this process before it lets another's ``rename``, ``link``, ``unlink`` or
creating ``open`` happen: of every thread of every child, of the JVM and native code.
Nothing is written while the test looks, so a place can be hit exactly, every time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Protocol

from support import held_command
from support.held_command import MACHINES
from support.killing import DEADLINE, kill_session, wait_until

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_NOTICE = struct.Struct("=QIIiIQ6Q")
_ANSWER = struct.Struct("=QqiI")
_LONGEST_PATH = 4096


def can_hold() -> bool:
    """Return True if this system can hold another process's writes."""
    actions = Path("/proc/sys/kernel/seccomp/actions_avail")
    known = platform.machine() in MACHINES
    return known and actions.is_file() and "user_notif" in actions.read_text()


@dataclass(frozen=True)
class Write:
    """A write that is about to happen: a file is made, gets a name or loses it."""

    ident: int
    call: str
    path: Path
    """The name that it is about."""
    source: Path | None
    """The name that the file has so far."""

    @property
    def creates(self) -> bool:
        """Whether it begins a file, rather than naming or removing a finished one."""
        return self.call in {"creat", "open", "openat"}


class Process(Protocol):
    """A child that leads a session of its own."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""

    def wait(self) -> int:
        """Wait for the end and return the exit code."""


class Fork:
    """A copy of this process that does one thing and ends."""

    def __init__(self, act: Callable[[], object]) -> None:
        """Do ``act`` in a copy of this process."""
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(act)

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._await(os.WNOHANG)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        code = self._await(0)
        assert code is not None
        return code

    def _await(self, how: int) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, how)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode


def _become(act: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        act()
        code = 0
    finally:
        if code:
            traceback.print_exc()
        # Nothing of the parent's is to be flushed or cleaned up twice.
        os._exit(code)


class HeldRun:
    """A process tree whose writes below a folder are held."""

    def __init__(self, process: Process, listener: int, folder: Path) -> None:
        """Answer for ``process`` by the descriptor ``listener``."""
        self.process = process
        self._listener = listener
        self._folder = folder.resolve()
        self._held: set[int] = set()

    @classmethod
    def start(cls, command: Sequence[str], folder: Path) -> HeldRun:
        """Start a command in a session of its own."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            number = theirs.fileno()
            launcher = [sys.executable, "-IS", held_command.__file__, str(number)]
            process = subprocess.Popen(
                [*launcher, *command],
                pass_fds=[number],
                start_new_session=True,
                env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
            )
            theirs.close()
            return cls(process, _listener_from(ours), folder)

    @classmethod
    def fork(cls, act: Callable[[], object], folder: Path) -> HeldRun:
        """Do ``act`` in a copy of this process, which must have no threads."""
        ours, theirs = socket.socketpair()

        def act_held() -> None:
            ours.close()
            held_command.hold_writes(theirs)
            act()

        with ours, theirs:
            process = Fork(act_held)
            theirs.close()
            return cls(process, _listener_from(ours), folder)

    def __enter__(self) -> HeldRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no process behind."""
        self.kill()
        os.close(self._listener)

    def kill(self) -> None:
        """Kill all processes of the run; what was held never happens."""
        kill_session(self.process.pid)
        self.process.wait()

    def writes(self) -> Iterator[Write]:
        """Yield each write, held until the next is asked for, to the command's end.

        Raises:
            TimeoutError: the command neither writes nor ends.
        """
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            write = self.next_write()
            if write is not None:
                yield write
                if write.ident not in self._held:
                    self.let_go(write)
                until = time.monotonic() + DEADLINE
            elif self.process.poll() is not None:
                return
        raise TimeoutError(f"no write and no end of process {self.process.pid}")

    def next_write(self, *, seconds: float = 0.02) -> Write | None:
        """Return the next write, held; None where none comes in time."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        asked = any(event & select.POLLIN for _, event in poll.poll(seconds * 1000))
        return self._receive() if asked else None

    def hold(self, write: Write) -> None:
        """Keep a write held while ``writes`` goes on with those of other threads."""
        self._held.add(write.ident)

    def let_go(self, write: Write) -> None:
        """Let a write happen; one whose thread was stopped asks again, as a new one."""
        self._held.discard(write.ident)
        self._answer(write.ident)

    def finish(self, write: Write) -> None:
        """Let a write happen and wait until it has; all others stay held."""
        # A file may be there already, which the write replaces.
        file = write.source.stat().st_ino if write.source else None
        self.let_go(write)
        wait_until(lambda: _is_there(write.path, file))

    def _receive(self) -> Write | None:
        """Take one question; answer at once what is not below the folder."""
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, notice)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EINTR}:
                return None  # the thread was killed, or stopped and will ask again
            raise
        ident, thread, _, number, _, _, *arguments = _NOTICE.unpack(notice)
        call = MACHINES[platform.machine()].calls[number]
        # A thread that is gone has no path, and needs no answer.
        with suppress(FileNotFoundError, ProcessLookupError):
            path = _named(thread, arguments, call.path, call.folder)
            if path.is_relative_to(self._folder):
                source = call.source
                old = None if source is None else _named(thread, arguments, source)
                return Write(ident, call.name, path, old)
        self._answer(ident)
        return None

    def _answer(self, ident: int) -> None:
        answer = _ANSWER.pack(ident, 0, 0, _CONTINUE)
        with suppress(FileNotFoundError):
            fcntl.ioctl(self._listener, _SEND, answer)


def _is_there(path: Path, file: int | None) -> bool:
    """Return True once a path names a file: the one of this number, if it is known."""
    return path.exists() and file in {None, path.stat().st_ino}


def _listener_from(asked: socket.socket) -> int:
    """Receive the descriptor that answers for a child's writes."""
    _, descriptors, *_ = socket.recv_fds(asked, 1, 1)
    assert descriptors, "the command could not hold its writes"
    return descriptors[0]


def _named(
    thread: int, arguments: Sequence[int], path: int, folder: int | None = None
) -> Path:
    """Return the path that an argument of a call names, from the caller's memory."""
    process = Path("/proc", str(thread))
    with (process / "mem").open("rb", buffering=0) as memory:
        memory.seek(arguments[path])
        text = os.fsdecode(memory.read(_LONGEST_PATH).partition(b"\0")[0])
    here = -1 if folder is None else _signed(arguments[folder])
    begin = process / "cwd" if here < 0 else process / "fd" / str(here)
    # A path that begins at the root stays as it is.
    return Path(os.path.normpath(begin.readlink() / text))


def _signed(register: int) -> int:
    """Return the signed number in the low half of a register."""
    return struct.unpack("=i", struct.pack("=I", register & 0xFFFFFFFF))[0]
