"""Stop or kill a job of ours at a proven moment: the storage says how far it came.

Locations are folders or URLs, so the same moments can be hit on a disk and on a bucket.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import obstore
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import TableNotFoundError
from obstore.store import from_url

JOBS = Path(__file__).parents[2] / "jobs"
DEADLINE = 240.0


class Side(StrEnum):
    """Where between the offset log and the commit log a micro-batch was cut off."""

    BEFORE_DELTA_COMMIT = "before"
    AFTER_DELTA_COMMIT = "after"


@dataclass(frozen=True)
class Query:
    """The places that a query writes to."""

    checkpoint: str | Path
    table: str | Path

    @property
    def planned(self) -> int:
        """The newest batch in the offset log, -1 before the first."""
        return newest(f"{self.checkpoint}/offsets")

    @property
    def committed(self) -> int:
        """The newest batch in the commit log, -1 before the first."""
        return newest(f"{self.checkpoint}/commits")

    def cut_off(self) -> tuple[int, Side] | None:
        """Return the batch that is planned and not committed, and how far it came."""
        planned = self.planned
        if planned <= self.committed:
            return None
        side = Side.AFTER_DELTA_COMMIT
        return planned, side if self.written >= planned else Side.BEFORE_DELTA_COMMIT

    @property
    def written(self) -> int:
        """The newest batch of this query that the table has, -1 before the first."""
        metadata = json.loads(read(f"{self.checkpoint}/metadata"))
        try:
            table = DeltaTable(self.table)
        except TableNotFoundError:
            return -1
        version = table.transaction_version(metadata["id"])
        return -1 if version is None else version


def leave_unplanned(checkpoint: str) -> None:
    """Leave what a driver does that is killed while it plans a query's first batch."""
    offsets = Path(checkpoint, "offsets")
    offsets.mkdir(parents=True)
    (offsets / f".0.{uuid4()}.tmp").touch()


class Moment(Protocol):
    """A moment of a job, which the storage proves."""

    def seems_hit(self) -> bool:
        """Guess quickly, from names alone, whether this is the moment to look."""

    def is_hit(self) -> bool:
        """Prove it from what the files say; nothing may be running meanwhile."""


@dataclass(frozen=True)
class Claimed:
    """A batch is claimed, and nothing of it is in the offset log yet."""

    query: Query
    schema_location: str | Path
    least: int = 0
    """The batch, counted from 0, or any later one."""

    def seems_hit(self) -> bool:
        """Compare the number of claims with the newest planned batch."""
        claims = newest(f"{self._claims}/_delta_log")
        return claims > self.least and claims > self.query.planned + 1

    def is_hit(self) -> bool:
        """Compare the claims' end with that of the newest planned batch."""
        planned = self.query.planned
        return planned + 1 >= self.least and self.claimed_up_to > self._planned_up_to

    @property
    def claimed_up_to(self) -> int:
        """The end of the last claim, 0 before the first."""
        table = QueryBuilder().register("t", DeltaTable(self._claims))
        batches = table.execute("select max(end_seq) as e from t").read_all()
        return batches["e"][0].as_py() or 0

    @property
    def _planned_up_to(self) -> int:
        planned = self.query.planned
        if planned < 0:
            return 0
        text = read(f"{self.query.checkpoint}/offsets/{planned}").decode()
        return json.loads(text.splitlines()[2])["seq"]

    @property
    def _claims(self) -> str:
        return f"{self.schema_location}/_ledger/claims"


class Job:
    """A running job in a session of its own: driver, JVM and Python workers."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        """Start it; ``name`` is a file of ``jobs/``."""
        self.process = start([sys.executable, str(JOBS / name), *arguments])

    def stop(self) -> None:
        """Stop all its processes (SIGSTOP); nothing is written from now on."""
        stop_session(self.process.pid)

    def go_on(self) -> None:
        """Let all its processes go on (SIGCONT)."""
        signal_session(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill all its processes and wait until none is left."""
        assert len(session_states(self.process.pid)) > 1, "the JVM is not among them"
        kill_session(self.process.pid)
        self.process.wait()

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(timeout=DEADLINE)

    def stop_at(self, moment: Moment) -> bool:
        """Stop it at a moment; false where it came to its end without being caught.

        It is stopped first, then the storage is read, and where that does not prove
        the moment it goes on.
        """
        until = time.monotonic() + DEADLINE
        while self.process.poll() is None and time.monotonic() < until:
            if moment.seems_hit():
                self.stop()
                if moment.is_hit():
                    return True
                self.go_on()
            time.sleep(0.001)
        assert self.process.poll() == 0, "the job neither ended well nor was caught"
        return False


@contextmanager
def running(name: str, *arguments: str) -> Iterator[Job]:
    """Run a job while the block runs; nothing of it is left behind."""
    job = Job(name, arguments)
    try:
        yield job
    finally:
        kill_session(job.process.pid)
        job.process.wait()


def run_job(name: str, *arguments: str) -> int:
    """Run a job to its end and return its exit code."""
    with running(name, *arguments) as job:
        return job.wait()


def start(command: Sequence[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that all of it can be signalled.

    What it prints goes to the file ``log`` where one is given.
    """
    given = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"}
    if log is None:
        return subprocess.Popen(command, start_new_session=True, env=given)
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            start_new_session=True,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def stop_session(session: int) -> None:
    """Stop every process of a session and wait until none runs."""
    signal_session(session, signal.SIGSTOP)
    while any(state not in "TtZX" for state in session_states(session).values()):
        time.sleep(0.001)
        signal_session(session, signal.SIGSTOP)


def kill_session(session: int) -> None:
    """Kill every process of a session and wait until none is left."""
    while any(state not in "ZX" for state in session_states(session).values()):
        signal_session(session, signal.SIGKILL)
        time.sleep(0.002)


def signal_session(session: int, number: signal.Signals) -> None:
    """Send a signal to every process of a session."""
    # Not to the process group: Spark's daemon of Python workers makes its own.
    for process in session_states(session):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue


def session_states(session: int) -> dict[int, str]:
    """Return the state of each process of a session, from Linux's own table."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, its_session, *_ = text.rpartition(")")[2].split()
        if int(its_session) == session:
            found[int(folder.name)] = state
    return found


def wait_until(
    happened: Callable[[], bool], *, seconds: float = DEADLINE, pause: float = 0.001
) -> None:
    """Wait until something has happened.

    Raises:
        TimeoutError: it did not in time.
    """
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError(f"nothing of the kind in {seconds} s")
        time.sleep(pause)


def newest(log: str | Path) -> int:
    """Return the highest number among the files of a log, -1 where it is empty.

    Understands batches (``7``) and Delta versions (``00000000000000000007.json``).
    """
    names = [name.removesuffix(".json") for name in _names(str(log))]
    return max((int(name) for name in names if name.isdecimal()), default=-1)


def read(location: str) -> bytes:
    """Return the content of a file or an object."""
    if "://" not in location:
        return Path(location).read_bytes()
    folder, _, name = location.rpartition("/")
    return bytes(obstore.get(from_url(folder), name).bytes())


def _names(folder: str) -> list[str]:
    """Return the names in a folder or below a prefix."""
    if "://" in folder:
        return [
            str(entry["path"])
            for page in obstore.list(from_url(folder))
            for entry in page
        ]
    return (
        [path.name for path in Path(folder).iterdir()] if Path(folder).is_dir() else []
    )
