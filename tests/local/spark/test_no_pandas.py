"""Processes that are ours alone go without pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.spark.no_pandas import leave_pandas_out

# As Spark's process of a stream, from its imports to the plan of a micro-batch.
PLAN = """
import sys
import pyspark.sql.streaming.python_streaming_source_runner
from pyspark.sql.streaming.datasource import ReadAllAvailable
from pyspark.sql.types import StructType
from sluice.source.datasource import CloudFilesDataSource

landing, schemas = sys.argv[1:]
options = {
    "path": landing,
    "cloudFiles.format": "json",
    "cloudFiles.schemaLocation": schemas,
}
reader = CloudFilesDataSource(options).streamReader(StructType().add("id", "string"))
start = reader.initialOffset()
reader.prepareForTriggerAvailableNow()
end = reader.latestOffset(start, ReadAllAvailable())
(partition,) = reader.partitions(start, end)
print(end["seq"], "pandas" in sys.modules)
"""
USE = """
import sys
from sluice.spark.no_pandas import leave_pandas_out
{before}
leave_pandas_out()
import pyarrow as pa
print(pa.array([1, None]).to_pylist(), "pandas" in sys.modules)
"""


def run(code: str, *arguments: str) -> str:
    """Return what a process prints that has no other part in the tests."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


def test_a_stream_is_planned_without_pandas(tmp_path: Path) -> None:
    """It is a third of what the start of that process costs, in every run."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"id": "a"}')

    assert run(PLAN, str(landing), str(tmp_path / "schemas")) == "1 False"


@pytest.mark.parametrize(
    ("before", "loaded"), [("", False), ("import pandas as pd; pd.Series([1])", True)]
)
def test_arrow_finds_what_is_loaded_already(before: str, *, loaded: bool) -> None:
    """Who has pandas keeps it."""
    assert run(USE.format(before=before)) == f"[1, None] {loaded}"


def test_tests_have_pandas() -> None:
    """Commands that are called in the process of the tests leave it there."""
    leave_pandas_out()

    import pandas as pd  # noqa: PLC0415 - after the call

    assert pd.Series([1]).sum() == 1
