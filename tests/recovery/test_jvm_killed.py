"""A JVM that is killed while its session is set up: the job may simply run again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from sluice.errors import ExitCode
from support.killing import Job, run_job, running, session_states, wait_until
from support.lakes import Lake

pytestmark = pytest.mark.needs_java


def jvm_of(job: Job) -> int | None:
    """Return the process of a job's JVM; the one before it only makes its command."""
    for process in session_states(job.process.pid):
        try:
            command = Path(f"/proc/{process}/cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        submits = "org.apache.spark.deploy.SparkSubmit" in command
        if submits and "java" in command and "launcher.Main" not in command:
            return process
    return None


def sockets_of(process: int) -> int:
    """Return how many sockets a process has: its server's, and one a connection."""
    found = 0
    for file in Path(f"/proc/{process}/fd").iterdir():
        try:
            found += file.readlink().name.startswith("socket:")
        except FileNotFoundError:
            continue
    return found


def kill_jvm(job: Job, *, sockets: int) -> None:
    """Kill the JVM once it has so many sockets."""
    wait_until(lambda: jvm_of(job) is not None)
    process = jvm_of(job)
    assert process is not None
    wait_until(lambda: sockets_of(process) >= sockets)
    os.kill(process, signal.SIGKILL)


@pytest.mark.long
def test_jvm_killed_in_set_up_is_worth_another_try(tmp_path: Path) -> None:
    """Before it is ready, and while the driver speaks to it: nothing was planned."""
    lake = Lake(tmp_path)
    lake.land(1)

    for run, sockets in {"no driver yet": 0, "with its driver": 2}.items():
        with running("bronze.py", *lake.arguments(run)) as job:
            kill_jvm(job, sockets=sockets)
            assert job.wait() == ExitCode.TEMPORARY
        assert lake.bronze.planned == -1

    assert run_job("bronze.py", *lake.arguments("again")) == ExitCode.DONE
    assert lake.bronze_rows() == lake.landed_rows()
