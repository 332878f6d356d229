"""The wheel in a user's project: nothing there but it and what it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sluice.spark.source import SOURCE_CLASSES
from support.clean_environment import ROOT, CleanEnvironment, make_environment
from support.standalone import plain_cluster

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(600)]

SCRIPT = """\
import sys
from pathlib import Path

from pyspark.sql import SparkSession


def started(place):
    builder = (
        SparkSession.builder.config("spark.jars", jars)
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config(
            "spark.sql.catalog.spark_catalog",
            "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        )
        .config("spark.databricks.delta.snapshotPartitions", "1")
        .config("spark.ui.enabled", "false")
    )
    by_connect = place == "connect"
    builder = builder.remote("local[2]") if by_connect else builder.master(place)
    return builder.getOrCreate()


def ingest(spark, folder):
    stream = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", f"{folder}/state")
        .load(f"{folder}/landing")
    )
    query = (
        stream.select("id", "_metadata.file_name").writeStream.format("delta")
        .option("checkpointLocation", f"{folder}/state")
        .trigger(availableNow=True)
        .start(f"{folder}/table")
    )
    query.awaitTermination()
    return "ordinary" if "_metadata" in stream.columns else "hidden"


names, jars, *places = sys.argv[1:]
for place in places:
    folder = Path.cwd() / "".join(filter(str.isalnum, place))
    (folder / "landing").mkdir(parents=True)
    spark = started(place)
    for name in names:
        (folder / "landing" / f"{name}.json").write_text('{"id": "%s"}' % name)
        metadata = ingest(spark, folder)
    rows = spark.read.format("delta").load(f"{folder}/table").orderBy("id").collect()
    print(place, type(spark).__module__, [row.id for row in rows], metadata)
    spark.stop()
"""


def delta_jars(clean: CleanEnvironment) -> str:
    """Return the paths of Delta's jars as Spark's option takes them."""
    return ",".join(map(str, (clean.folder / "share/sluice/jars").glob("delta-*.jar")))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> CleanEnvironment:
    """Return an environment with the wheel, pyspark and pytest."""
    folder = tmp_path_factory.mktemp("clean") / "environment"
    return make_environment(folder, ["pyspark[connect]", "delta-spark", "pytest"])


def test_wheel_brings_neither_airflow_nor_the_command_line(
    clean: CleanEnvironment, tmp_path: Path
) -> None:
    """A user of the source alone never meets Airflow, and imports need no extra."""
    code = (
        "import importlib.util as u, sluice, pyspark_cloudfiles\n"
        "assert 'site-packages' in sluice.__file__, sluice.__file__\n"
        "assert not u.find_spec('airflow') and not u.find_spec('typer')"
    )

    done = clean.run("-c", code, cwd=tmp_path)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("has_jar", [True, pytest.param(False, marks=pytest.mark.long)])
def test_format_is_found_without_registration(
    clean: CleanEnvironment, tmp_path: Path, *, has_jar: bool
) -> None:
    """Auto Loader code runs as it is.

    With the jar of set-up ``_metadata`` is hidden, and a second run reads what is new;
    without it the code runs as well.
    """
    (tmp_path / "plain.py").write_text(SCRIPT)
    jars = delta_jars(clean)
    if has_jar:
        jars += f",{SOURCE_CLASSES.jar}"
        names, printed = "12", "['1', '2'] hidden"
    else:
        names, printed = "1", "['1'] ordinary"

    done = clean.run("plain.py", names, jars, "local[2]", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"local[2] pyspark.sql.session {printed}",
    ]


@pytest.mark.long
def test_format_is_found_by_connect_and_on_a_cluster(
    clean: CleanEnvironment, tmp_path: Path
) -> None:
    """In one script, one after the other."""
    (tmp_path / "plain.py").write_text(SCRIPT)
    jars = f"{delta_jars(clean)},{SOURCE_CLASSES.jar}"

    with plain_cluster(clean.spark_home, clean.variables(), tmp_path) as cluster:
        places = ("connect", cluster.master)
        done = clean.run("plain.py", "12", jars, *places, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "connect pyspark.sql.connect.session ['1', '2'] hidden",
        f"{cluster.master} pyspark.sql.session ['1', '2'] hidden",
    ]
    assert len(list(tmp_path.glob("work/app-*/[0-9]*"))) == 1, "the cluster's executor"


@pytest.mark.long
def test_page_on_testing_shows_what_works(
    clean: CleanEnvironment, tmp_path: Path
) -> None:
    """The notebook's function of docs/testing.md is tested as the page says."""
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    function, test = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    (tmp_path / "ingest.py").write_text(function)
    (tmp_path / "test_ingest.py").write_text(test)
    assert len(test.strip().splitlines()) <= 10

    done = clean.run("-m", "pytest", "-q", "test_ingest.py", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
