"""Airflow's kill, and the death of its worker: neither driver nor JVM goes on alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluice.control.lease import read_lease
from sluice.control.processes import Mark, end_marked, list_marked
from sluice.orchestration.operator import CONNECTION_EXAMPLE
from support.killing import run_job
from support.lakes import Lake
from support.stopping import DEADLINE, await_none, wait_for_batch

pytestmark = [
    pytest.mark.long,
    pytest.mark.needs_airflow,
    pytest.mark.needs_java,
    pytest.mark.timeout(900),
]

FILES = 24
JOBS = Path(__file__).parents[2] / "jobs"
# What Airflow's task runner does: a group of its own, and on_kill at SIGTERM.
TASK = """
import os, signal, sys
os.setpgid(0, 0)
from sluice.orchestration.operator import SluiceSubmitOperator
job, pipeline = sys.argv[1:]
options = {"--pipeline": pipeline, "--run-id": "airflow"}
task = SluiceSubmitOperator(task_id="bronze", application=job, options=options)
signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
task.execute({})
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with its files landed and nothing read yet."""
    lake = Lake(tmp_path, **{"cloudFiles.maxFilesPerTrigger": 1})
    lake.land(FILES)
    return lake


@contextmanager
def airflow_task(lake: Lake, mark: Mark) -> Iterator[subprocess.Popen[str]]:
    """Run bronze by the real operator in a process of its own."""
    environment = {
        **os.environ,
        **mark.as_environment(),
        "AIRFLOW_CONN_SPARK_DEFAULT": CONNECTION_EXAMPLE,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    command = [sys.executable, "-c", TASK, str(JOBS / "bronze.py"), str(lake.file)]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        end_marked(mark, grace_seconds=0)


def test_nothing_of_a_task_outlives_it_and_rows_come_once(lake: Lake) -> None:
    """A killed worker cannot stop its driver: that looks, and ends after its batch."""
    mark = Mark.new("SLUICE_TEST")
    with airflow_task(lake, mark) as process:
        wait_for_batch(lake, process, 2)
        process.kill()
        assert await_none(lambda: list_marked(mark), seconds=DEADLINE) == []
    assert lake.bronze.cut_off() is None
    lease = read_lease(str(lake.bronze.checkpoint))
    assert lease is not None
    assert lease.released_at is not None

    done = lake.bronze.committed
    with airflow_task(lake, mark) as process:
        wait_for_batch(lake, process, done + 2)
        os.killpg(process.pid, signal.SIGTERM)  # as its supervisor does
        assert await_none(lambda: list_marked(mark), seconds=30) == []

    assert done < lake.bronze.committed < FILES - 1
    assert run_job("bronze.py", "--pipeline", str(lake.file), "--run-id", "again") == 0
    assert lake.bronze_rows() == lake.landed_rows()
