"""Where a user calls the source, pandas is found.

Spark's own process, where it is not, is tested in ``tests/spark/source``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# From its imports to the plan of a micro-batch, which Arrow gives values of Python.
PLAN = """
import sys
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


def test_another_process_that_plans_finds_pandas(tmp_path: Path) -> None:
    """There may be other code, which needs it."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"id": "a"}')

    done = subprocess.run(
        [sys.executable, "-c", PLAN, str(landing), str(tmp_path / "schemas")],
        capture_output=True,
        check=True,
        text=True,
    )

    assert done.stdout == "1 True\n"
