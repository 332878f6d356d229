"""The pipeline on a Spark standalone cluster, and what happens when parts of it die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.local.cluster import Cluster
from sluice.spark.disk import DISK_CLASSES
from sluice.spark.setup.jars import require_jars
from support.delta_rows import read_delta
from support.killing import Side, kill_session, wait_until
from support.lakes import Lake
from support.standalone import executors, interpreter_without_packages, kill, submit

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(300)]

FILES = 6
BATCHES = 3


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline whose micro-batches have a task for each executor."""
    options = {"cloudFiles.maxFilesPerTrigger": 2, "sluice.maxPartitionBytes": "64k"}
    lake = Lake(tmp_path, **options)
    lake.land(FILES)
    return lake


def test_executor_and_worker_killed_cost_no_row(
    cluster: Cluster, home: Path, lake: Lake
) -> None:
    """Spark repeats the tasks elsewhere; the batch is committed once."""
    log = lake.folder / "log"
    with submit(cluster, log, "bronze.py", *lake.arguments("run")) as job:
        try:
            first = cut_off(lake, 1, lambda: kill(executor_of(cluster, "worker-1")))
            worker = cluster.processes.pids["worker-2"]
            later = cut_off(lake, first + 1, lambda: kill(worker))
            assert job.wait(timeout=300) == 0, log.read_text()[-3000:]
        finally:
            kill_session(job.pid)

    assert 0 < first < later < BATCHES, "each was lost in the middle of a batch"
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.bronze.committed == BATCHES - 1
    assert fetched(home) == [], "executors have everything: nothing is sent to them"


def run_code(cluster: Cluster, code: str) -> subprocess.CompletedProcess[str]:
    """Run a driver of the cluster."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | cluster.variables,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


@pytest.mark.long
def test_session_sends_no_jar_to_executors(
    cluster: Cluster, home: Path, tmp_path: Path
) -> None:
    """They have Delta and the source at the driver's paths, so a start copies none."""
    code = f"""\
from sluice.spark.session import spark_session
spark = spark_session("test", **{{"spark.master": {cluster.master!r}}})
spark.range(4).write.format("delta").save({str(tmp_path / "table")!r})
print(spark.sparkContext._jsc.sc().listJars().size())
"""

    done = run_code(cluster, code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["0"]
    assert read_delta(tmp_path / "table").num_rows == 4
    assert fetched(home) == []


@pytest.mark.parametrize("has_jar", [True, False])
@pytest.mark.long
def test_metadata_is_that_of_each_row_on_executors(
    cluster: Cluster, tmp_path: Path, *, has_jar: bool
) -> None:
    """Those that have the jar of set-up read columns, the others rows."""
    landing = tmp_path / "landing"
    landing.mkdir()
    for name in "ab":
        lines = [json.dumps({"id": f"{name}{each}"}) for each in range(3)]
        (landing / name).write_text("\n".join(lines))
    session = {"spark.master": cluster.master}
    if not has_jar:
        jars = [*require_jars(), DISK_CLASSES.jar]
        session["spark.executor.extraClassPath"] = ":".join(map(str, jars))
    code = f"""\
from sluice.spark.session import spark_session
spark = spark_session("test", **{session!r})
reader = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
reader = reader.option("cloudFiles.schemaLocation", {str(tmp_path / "schemas")!r})
frame = reader.schema("id string").load({str(landing)!r})
query = (
    frame.select("id", "_metadata.file_name").writeStream.format("delta")
    .option("checkpointLocation", {str(tmp_path / "checkpoint")!r})
    .trigger(availableNow=True).start({str(tmp_path / "table")!r})
)
query.awaitTermination()
print("ColumnarToRow" in query._jsq.explainInternal(False))
"""

    done = run_code(cluster, code)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(has_jar)]
    rows = read_delta(tmp_path / "table").to_pylist()
    assert {row["id"]: row["file_name"] for row in rows} == {
        f"{name}{each}": name for name in "ab" for each in range(3)
    }


@pytest.mark.long
def test_executors_without_a_jar_are_refused(cluster: Cluster) -> None:
    """Java itself passes over it, and its classes would be missing in a task."""
    session = {
        "spark.master": cluster.master,
        "spark.executor.extraClassPath": "/nowhere/source.jar",
    }
    code = f"""\
from sluice.spark.session import spark_session
spark_session("test", **{session!r})
"""

    done = run_code(cluster, code)

    assert done.returncode != 0
    assert "/nowhere/source.jar missing instead of present" in done.stderr


@pytest.mark.long
def test_executors_without_the_package_are_refused(
    cluster: Cluster, lake: Lake, tmp_path: Path
) -> None:
    """What the executors lack is named before anything is read."""
    bare = interpreter_without_packages(tmp_path / "bare")
    python = {"spark.pyspark.python": str(bare)}

    log = lake.folder / "log"
    with submit(cluster, log, "bronze.py", *lake.arguments("run"), **python) as job:
        job.wait(timeout=200)

    logged = log.read_text()
    assert job.returncode == 65
    assert "[INSTALLATION_BROKEN]" in logged
    assert "pyarrow missing instead of" in logged
    assert not Path(lake.bronze.table).exists()


def cut_off(lake: Lake, least: int, strike: Callable[[], None]) -> int:
    """Strike while a batch from ``least`` on is planned and not written; return it."""
    wait_until(lambda: lake.bronze.planned >= least, pause=0.02)
    strike()
    found = lake.bronze.cut_off()
    assert found is not None
    batch, side = found
    assert side is Side.BEFORE_DELTA_COMMIT
    return batch


def executor_of(cluster: Cluster, worker: str) -> int:
    """Return the executor of a worker."""
    (found,) = [pid for pid, name in executors(cluster).items() if name == worker]
    return found


def fetched(home: Path) -> list[Path]:
    """Return what lies in the folders of the executors beside what they printed."""
    printed = {"stdout", "stderr"}
    folders = home.glob("worker-*/app-*/[0-9]*")
    return [
        path for each in folders for path in each.iterdir() if path.name not in printed
    ]
