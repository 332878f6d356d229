"""Names that a Delta table takes with column mapping alone, on a real Spark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sluice.audit.run import run_audit
from sluice.bronze.run import run_bronze
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.schema.properties import MAPPING
from sluice.silver.run import run_silver_tables
from support.delta_rows import read_delta
from support.lakes import Lake, order

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]


def land(lake: Lake, number: int, **new: object) -> None:
    """Land a file of one order with more fields."""
    record = order(number, 0) | new
    (lake.landing / f"{number:03d}.json").write_text(json.dumps(record))


@pytest.mark.long
def test_table_of_such_names_is_made_with_column_mapping(
    tmp_path: Path, spark: SparkSession
) -> None:
    """Its data files call columns otherwise: silver, audit and replay go on as ever."""
    lake = Lake(tmp_path, schema=None, **{"cloudFiles.inferColumnTypes": "true"})
    land(lake, 0, **{"order id": "a", "": 1, "s": {"a=b": 1}, "empty": {}})
    land(lake, 1, **{"Order ID": "b"})
    run_bronze(lake.config, run_id="run-1")
    tuple(run_silver_tables(lake.config, run_id="run-1"))
    land(lake, 2, **{"ship date": "2026-01-01", "m": {"a": 1, "A": 2}})
    for number in range(3, 10):
        land(lake, number)

    run_bronze(lake.config, run_id="run-2")
    tuple(run_silver_tables(lake.config, run_id="run-2"))
    run_replay(lake.config, Selection(globs=("002.json",)), run_id="run-3")

    rows = {row["order_id"]: row for row in read_delta(lake.bronze.table).to_pylist()}
    assert (rows["0-0"][""], rows["0-0"]["s"]) == (1, {"a=b": 1})
    assert json.loads(rows["0-0"]["_rescued_data"]).keys() == {
        *("order id", "empty", "_file_path")
    }
    assert rows["1-0"]["Order ID"] == "b"
    assert (rows["2-0"]["ship date"], rows["2-0"]["m"]) == ("2026-01-01", {"A": 2})
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()
    assert run_audit(lake.config).verdict == "ok"
    assert MAPPING not in DeltaTable(lake.silver.table).metadata().configuration
    key = "spark.databricks.delta.properties.defaults.columnMapping.mode"
    assert spark.conf.get(key, None) is None
