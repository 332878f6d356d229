"""The pipeline on a Spark standalone cluster, and what happens when parts of it die."""

from __future__ import annotations

from pathlib import Path

import pytest

from killing import kill_session, wait_until
from recovery_lake import Lake
from sluice.orchestration.cluster import Cluster
from standalone import executors, interpreter_without_packages, kill, submit

pytestmark = [pytest.mark.long, pytest.mark.needs_java, pytest.mark.timeout(600)]

FILES = 10


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with files landed, each of which is a micro-batch."""
    lake = Lake(tmp_path, **{"cloudFiles.maxFilesPerTrigger": 1})
    lake.land(FILES)
    return lake


def test_executor_and_worker_killed_cost_no_row(cluster: Cluster, lake: Lake) -> None:
    """Spark repeats the tasks elsewhere; the batch is committed once."""
    log = lake.folder / "log"
    with submit(cluster, log, "bronze.py", *lake.arguments("run")) as job:
        try:
            wait_until(lambda: lake.bronze.committed >= 1)
            first = executors(cluster)
            assert set(first.values()) == {"worker-1", "worker-2"}
            kill(next(iter(first)))
            wait_until(lambda: len(executors(cluster).keys() - first.keys()) > 0)
            kill(cluster.pids["worker-2"])
            cut_off_at = lake.bronze.committed
            assert job.wait(timeout=300) == 0, log.read_text()[-3000:]
        finally:
            kill_session(job.pid)

    assert 0 < cut_off_at < FILES - 1, "both were lost while batches were still to come"
    assert lake.bronze_rows() == lake.landed_rows()


def test_executors_without_the_package_are_refused(
    cluster: Cluster, lake: Lake, tmp_path: Path
) -> None:
    """What the executors lack is named before anything is read."""
    bare = interpreter_without_packages(tmp_path / "bare")
    python = {"spark.pyspark.python": str(bare)}

    log = lake.folder / "log"
    with submit(cluster, log, "bronze.py", *lake.arguments("run"), **python) as job:
        job.wait(timeout=200)

    told = log.read_text()
    assert job.returncode == 65
    assert "[INSTALLATION_BROKEN]" in told
    assert "pyarrow missing instead of" in told
    assert not Path(lake.bronze.table).exists()
