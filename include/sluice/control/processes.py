"""Start processes in the background and end them with all that they started.

They are found by a mark in their environment, however far they drifted from us.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

_POLL_SECONDS = 0.05
_MARK_NAME = "SLUICE_GROUP"
_RECORD = "processes.json"
_STOP_SECONDS = 20.0
_KILL_SECONDS = 2.0
_BEGIN_SECONDS = 2.0


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


def _runs(pid: int, mark: Mark) -> bool:
    """Return True if a process with ``mark`` lives.

    One that begins another program shows no environment for a moment, so it is looked
    at again; a kernel's thread that got the id of an old record never shows any.
    """
    deadline = time.monotonic() + _BEGIN_SECONDS
    while True:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            found: Mapping[str, str] = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        if found or time.monotonic() >= deadline:
            return found.get(mark.name) == mark.value
        time.sleep(_POLL_SECONDS)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


@dataclass(frozen=True, kw_only=True)
class ProcessGroup:
    """Processes with names, started together and remembered in a file.

    ``pids`` are those of the processes themselves; what they start carries the same
    mark and ends with them.
    """

    folder: str
    """Where the file is, and the processes' logs below ``logs``."""
    port: int
    mark: str = field(default_factory=lambda: uuid4().hex)
    pids: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> ProcessGroup | None:
        """Return the group that was started and not stopped; it may have ended."""
        path = folder / _RECORD
        if not path.is_file():
            return None
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    @property
    def is_running(self) -> bool:
        """Whether every process of the group runs."""
        return not self.first_ended()

    def first_ended(self) -> str | None:
        """Return the name of a process that has ended, None while all run."""
        ended = (name for name, pid in self.pids.items() if not _runs(pid, self._mark))
        return next(ended, None)

    def list_pids(self) -> list[int]:
        """Return the ids of the living processes, those that they started included."""
        return list_marked(self._mark)

    def log(self, name: str) -> Path:
        """Return the file into which a process writes."""
        return Path(self.folder, "logs", f"{name}.log")

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        environ: Mapping[str, str],
    ) -> None:
        """Start a process in the background."""
        path = self.log(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as log:
            self.pids[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**environ, **self._mark.as_environment()},
                start_new_session=True,
            ).pid
        # Written at once, so that what was started can be ended whatever comes next.
        record = Path(self.folder, _RECORD)
        record.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def stop(self, *, patience_seconds: float = _STOP_SECONDS) -> list[int]:
        """End all processes and return their ids.

        Those of the group are asked first and end what they started; what then remains
        is killed.
        """
        ended = set(self.list_pids())
        for pid in ended & set(self.pids.values()):
            _send(pid, signal.SIGTERM)
        deadline = time.monotonic() + patience_seconds
        while self.list_pids() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        ended.update(end_marked(self._mark, grace_seconds=_KILL_SECONDS))
        Path(self.folder, _RECORD).unlink(missing_ok=True)
        return sorted(ended)

    @property
    def _mark(self) -> Mark:
        return Mark(_MARK_NAME, self.mark)


def stop_group(folder: Path) -> list[int]:
    """End the group of a folder and return the ids of its processes."""
    group = ProcessGroup.read(folder)
    return group.stop() if group else []


@contextmanager
def starting_group(folder: Path, port: int) -> Iterator[ProcessGroup]:
    """Yield a group in place of the folder's old one; it ends if the block fails."""
    stop_group(folder)
    group = ProcessGroup(folder=str(folder), port=port)
    with ExitStack() as on_failure:
        on_failure.callback(group.stop)
        yield group
        on_failure.pop_all()
