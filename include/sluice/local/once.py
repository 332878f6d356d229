"""One run of a Dag, as a stream of events: in a process of its own, or by the API."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from sluice.control.processes import Mark, end_marked
from sluice.errors import Condition, FatalError, RetryableError
from sluice.local.api import AirflowApi
from sluice.local.environment import LocalAirflow
from sluice.local.private import make_private_files
from sluice.local.services import tail

Event = Mapping[str, Any]

_POLL_SECONDS = 0.5
_SHOWN_STATES = frozenset({"running", "success", "skipped", "failed", "up_for_retry"})


@dataclass(frozen=True)
class DagProcess:
    """A process that has Airflow ready, and runs its Dag once it may go on."""

    process: subprocess.Popen[str]
    stdin: IO[str]
    events: int
    log: Path

    def go_on(self) -> Iterator[Event]:
        """Let it run its Dag and yield what it reports, to the last event.

        Raises:
            FatalError: the process ended before the run did; with its last lines.
        """
        self.stdin.write("go\n")
        self.stdin.flush()
        event: Event = {}
        with os.fdopen(os.dup(self.events), encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                yield event
        if "run_id" not in event:
            raise FatalError(
                Condition.AIRFLOW_FAILED,
                f"Airflow ended with exit code {self.process.wait()} before the run "
                f"did; the last lines of {self.log}:\n{tail(self.log)}",
            )


@contextmanager
def dag_process(airflow: LocalAirflow, dag_id: str | None) -> Iterator[DagProcess]:
    """Start a process for ``dag_id``, or one that only prepares the database.

    Nothing of it is alive after the block. Only one can be at work at a time.
    """
    airflow.logs.mkdir(parents=True, exist_ok=True)
    make_private_files(airflow)
    log = airflow.logs / "run.log"
    mark = Mark.new("SLUICE_RUN")
    with (
        _exclusive(airflow) as lock,
        _pipe() as (reader, writer),
        log.open("wb") as out,
    ):
        arguments = [dag_id, "--wait"] if dag_id else []
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sluice.local.dagrun"),
                *("--events", str(writer), *arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=airflow.root,
            env={**airflow.environment(), **mark.as_environment()},
            pass_fds=(writer, lock),
        )
        os.close(writer)
        stdin = cast("IO[str]", process.stdin)
        try:
            yield DagProcess(process, stdin, reader, log)
        finally:
            stdin.close()
            if process.poll() is None:
                end_marked(mark, grace_seconds=5.0)
            process.wait()


def prepare(airflow: LocalAirflow) -> None:
    """Make the database ready in a process of its own, and wait for it."""
    with dag_process(airflow, None) as started:
        code = started.process.wait()
        if code != 0:
            raise FatalError(
                Condition.AIRFLOW_FAILED,
                f"Airflow's database could not be prepared; the last lines of "
                f"{started.log}:\n{tail(started.log)}",
            )


def run_by_api(
    api: AirflowApi, dag_id: str, params: Mapping[str, object], *, logs: Path
) -> Iterator[Event]:
    """Trigger a run in the Airflow that is up and yield what happens to its tasks.

    The API has states only; errors are read from the tasks' ``logs``.
    """
    run_id = api.trigger(dag_id, params)
    yield {"task": "waiting for Airflow", "state": "running"}
    seen: dict[str, str | None] = {}
    while True:
        state = api.run_state(dag_id, run_id)
        tasks = api.task_states(dag_id, run_id)
        for task, task_state in tasks.items():
            if task_state != seen.get(task) and task_state in _SHOWN_STATES:
                error = _error(logs, dag_id, run_id, task)
                yield {"task": task, "state": task_state, "error": error}
        seen = tasks
        if state in {"success", "failed"}:
            yield {"run_id": run_id, "state": state, "tasks": tasks}
            return
        time.sleep(_POLL_SECONDS)


def _error(logs: Path, dag_id: str, run_id: str, task: str) -> str | None:
    """Return the first error that the latest attempt of a task has logged."""
    folder = logs / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task}"
    attempts = sorted(folder.glob("attempt=*.log"), key=_attempt)
    if not attempts:
        return None
    lines = attempts[-1].read_text("utf-8", errors="replace").splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    details = [each["error_detail"] for each in entries if each.get("error_detail")]
    return str(details[0][0]["exc_value"]) if details else None


def _attempt(log: Path) -> int:
    return int(log.stem.removeprefix("attempt="))


@contextmanager
def _exclusive(airflow: LocalAirflow) -> Iterator[int]:
    """Hold the lock that the process inherits, so that it outlives a killed parent."""
    with (airflow.home / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RetryableError(
                Condition.LEASE_HELD,
                f"another run is at work in {airflow.home}; wait for its end",
            ) from None
        yield lock.fileno()


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """Yield both ends of a pipe; the caller closes the writing one."""
    reader, writer = os.pipe()
    try:
        yield reader, writer
    finally:
        os.close(reader)
