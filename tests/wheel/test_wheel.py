"""The wheel in somebody else's project: nothing there but it and what it needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clean_environment import ROOT, CleanEnvironment, make_environment

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(600)]

SCRIPT = """\
import sys
from pathlib import Path

from pyspark.sql import SparkSession

landing, state, table, jars, how = sys.argv[1:]
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
spark = (
    builder.remote("local[2]") if how == "connect" else builder.master("local[2]")
).getOrCreate()
expected = "pyspark.sql.connect.session" if how == "connect" else "pyspark.sql.session"
assert type(spark).__module__ == expected, type(spark)
for name in ("1", "2"):
    Path(landing, f"{name}.json").write_text('{"id": "%s"}' % name)
    stream = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", state)
        .load(landing)
    )
    query = (
        stream.select("id").writeStream.format("delta")
        .option("checkpointLocation", state)
        .trigger(availableNow=True)
        .start(table)
    )
    query.awaitTermination()
found = spark.read.format("delta").load(table).orderBy("id").collect()
assert [row.id for row in found] == ["1", "2"], found
spark.stop()
"""


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


@pytest.mark.parametrize("how", ["local", "connect"])
def test_format_is_found_without_registration(
    clean: CleanEnvironment, tmp_path: Path, how: str
) -> None:
    """Auto Loader code runs as it is, in one process and through Spark Connect."""
    landing = tmp_path / "landing"
    landing.mkdir()
    jars = ",".join(map(str, (clean.folder / "share/sluice/jars").glob("*.jar")))
    script = tmp_path / "plain.py"
    script.write_text(SCRIPT)
    places = [str(tmp_path / name) for name in ("landing", "state", "table")]

    done = clean.run(str(script), *places, jars, how, cwd=tmp_path)

    assert done.returncode == 0, done.stderr


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
