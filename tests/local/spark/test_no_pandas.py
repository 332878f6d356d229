"""The process that plans a stream goes without pandas, and no other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sluice.spark.no_pandas import PLANNER

# From its imports to the plan of a micro-batch; ``__main__`` is what Spark makes it.
PLAN = """
import importlib.util
import sys
import pyspark.sql.streaming.python_streaming_source_runner
from pyspark.sql.streaming.datasource import ReadAllAvailable
from pyspark.sql.types import StructType
from sluice.source.datasource import CloudFilesDataSource

landing, schemas, main = sys.argv[1:]
if main:
    sys.modules["__main__"].__spec__ = importlib.util.find_spec(main)
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


def run(code: str, *arguments: str) -> str:
    """Return what a process prints that has no other part in the tests."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(("main", "loads"), [(PLANNER, False), ("", True)])
def test_a_stream_is_planned_without_pandas(
    tmp_path: Path, main: str, *, loads: bool
) -> None:
    """It is a third of what the start of that process costs, in every run.

    Where a user calls the source there may be other code, which needs it.
    """
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"id": "a"}')

    found = run(PLAN, str(landing), str(tmp_path / "schemas"), main)

    assert found == f"1 {loads}"
