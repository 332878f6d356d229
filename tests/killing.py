"""Kill a job of ours at a proven moment: the disk says how far its micro-batch came."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

JOBS = Path(__file__).parents[1] / "jobs"
DEADLINE = 240.0


class Side(StrEnum):
    """Where between the offset log and the commit log a micro-batch was cut off."""

    BEFORE_DELTA_COMMIT = "before"
    AFTER_DELTA_COMMIT = "after"


@dataclass(frozen=True)
class Query:
    """The places on the disk that a query writes to."""

    checkpoint: Path
    table: Path

    def cut_off(self) -> tuple[int, Side] | None:
        """Return the batch that is planned and not committed, and how far it came."""
        planned = newest(self.checkpoint / "offsets")
        if planned <= newest(self.checkpoint / "commits"):
            return None
        written = self._written() >= planned
        side = Side.AFTER_DELTA_COMMIT if written else Side.BEFORE_DELTA_COMMIT
        return planned, side

    def _written(self) -> int:
        """Return the newest batch of this query that the table has."""
        metadata = json.loads((self.checkpoint / "metadata").read_text())
        try:
            table = DeltaTable(self.table)
        except TableNotFoundError:
            return -1
        version = table.transaction_version(metadata["id"])
        return -1 if version is None else version


@dataclass(frozen=True)
class Aim:
    """The moment to kill at: a side of the commit of batch ``least`` or a later one."""

    side: Side
    query: Query
    least: int = 0

    def seems_hit(self) -> bool:
        """Guess quickly, from names alone, whether this is the moment to look."""
        planned = newest(self.query.checkpoint / "offsets")
        if planned < self.least or planned <= newest(self.query.checkpoint / "commits"):
            return False
        commits = len(list(self.query.table.glob("_delta_log/[0-9]*.json")))
        return (commits > planned) == (self.side is Side.AFTER_DELTA_COMMIT)

    def is_hit(self) -> bool:
        """Prove it from what the files say; nothing may be running meanwhile."""
        found = self.query.cut_off()
        return found is not None and found[0] >= self.least and found[1] is self.side


def run_job(name: str, *arguments: str) -> int:
    """Run a job to its end and return its exit code."""
    with _start(name, arguments) as process:
        return process.wait(timeout=DEADLINE)


def kill_job(aim: Aim, name: str, *arguments: str) -> int | None:
    """Run a job and kill it where ``aim`` says.

    All its processes are stopped first, then the disk is read, and only where that
    proves the side they are killed. Returns the batch that was cut off, None where the
    job came to its end without being caught.
    """
    with _start(name, arguments) as process:
        until = time.monotonic() + DEADLINE
        while process.poll() is None and time.monotonic() < until:
            if aim.seems_hit() and _stopped_at(aim, process.pid):
                found = aim.query.cut_off()
                _kill(process)
                assert aim.query.cut_off() == found
                return found[0] if found else None
            time.sleep(0.001)
        assert process.poll() == 0, "the job neither ended well nor could be caught"
    return None


def _stopped_at(aim: Aim, group: int) -> bool:
    """Stop all processes of ``group``; let them go on unless ``aim`` is hit."""
    os.killpg(group, signal.SIGSTOP)
    while any(state not in "TtZ" for state in _states(group).values()):
        time.sleep(0.001)
    hit = aim.is_hit()
    if not hit:
        os.killpg(group, signal.SIGCONT)
    return hit


def _start(name: str, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Start a job in a session of its own."""
    # A session of its own, so that Python and its JVM are one group of processes.
    command = [sys.executable, str(JOBS / name), *arguments]
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
    return subprocess.Popen(command, start_new_session=True, env=environment)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group and wait until none of it is left."""
    assert len(_states(process.pid)) > 1, "the JVM is not in the group to be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while any(state != "Z" for state in _states(process.pid).values()):
        time.sleep(0.01)


def _states(group: int) -> dict[int, str]:
    """Return the state of each process of a group, from Linux's own table."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, its_group, *_ = text.rpartition(")")[2].split()
        if int(its_group) == group:
            found[int(folder.name)] = state
    return found


def newest(log: Path) -> int:
    """Return the newest batch in a log, -1 where it is empty."""
    names = [path.name for path in log.iterdir()] if log.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=-1)
