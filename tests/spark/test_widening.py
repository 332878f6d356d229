"""Types that get wider with the data: one run, green, and every value to the letter."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import Row, SparkSession

from sluice.audit.run import run_audit
from sluice.bronze.run import run_bronze
from sluice.errors import FatalError, UsageError
from sluice.model import LedgerFile
from sluice.preflight.fields import fields_ahead
from sluice.preflight.plan import plan_run
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.schema.kept import list_versions
from sluice.silver.run import run_silver_tables
from support.lakes import Lake, order

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

WIDEN = {"cloudFiles.schemaEvolutionMode": "addNewColumnsWithTypeWidening"}
HINTS = (
    "n TINYINT, q INT, big BIGINT, ratio FLOAT, price DECIMAL(6,2), "
    "s STRUCT<x: INT>, lines ARRAY<STRUCT<y: INT>>, counts MAP<STRING, INT>"
)
FIRST = {"n": 1, "q": 1, "big": 1, "ratio": 0.5, "price": 1.25, "s": {"x": 1}}
FIRST |= {"lines": [{"y": 1}], "counts": {"k": 1}}
LONG, HUGE = 1 << 40, 10**19 + 7
WIDER = {
    3: {"n": 300, "ratio": 1e300, "s": {"x": LONG}, "new": 1},
    5: {"n": LONG, "big": HUGE, "counts": {"k": LONG, "l": 1}},
    7: {"q": 2.5, "price": 12345678, "lines": [{"y": 1}, {"y": LONG, "z": 1}]},
    8: {"q": "text", "big": 2.5},
}


def land(lake: Lake, files: range) -> None:
    """Land files of one order each, some of which have wider values."""
    for number in files:
        record = order(number, 0) | FIRST | WIDER.get(number, {})
        (lake.landing / f"{number:03d}.json").write_text(json.dumps(record))


def rows_of(spark: SparkSession, lake: Lake) -> list[Row]:
    """Return the rows of bronze in order; delta-rs does not read such a table."""
    table = spark.read.format("delta").load(lake.config.bronze_location)
    rows = table.drop("_processing_time").collect()
    return sorted(rows, key=lambda row: row.order_date)


@pytest.mark.parametrize("files", [10, pytest.param(1000, marks=pytest.mark.long)])
def test_run_widens_columns_by_itself(
    tmp_path: Path, spark: SparkSession, files: int
) -> None:
    """Three files of one micro-batch bring eight wider types, and two new fields."""
    typed = {"cloudFiles.inferColumnTypes": "true", "cloudFiles.schemaHints": HINTS}
    lake = Lake(tmp_path, schema=None, **typed, **WIDEN)
    land(lake, range(2))
    run_bronze(lake.config, run_id="run-1")
    tuple(run_silver_tables(lake.config, run_id="run-1"))
    land(lake, range(2, files))

    summary = run_bronze(lake.config, run_id="run-2")
    tuple(run_silver_tables(lake.config, run_id="run-2"))

    assert (summary.counts["files"], len(summary.notes)) == (files - 2, 10)
    _, version = list_versions(lake.config.schema_location)
    assert {name: Path(path).name for name, path in version.widened.items()} == {
        "n": "003.json",
        "ratio": "003.json",
        "s.x": "003.json",
        "big": "005.json",
        "counts": "005.json",
        "q": "007.json",
        "price": "007.json",
        "lines.y": "007.json",
    }
    assert version.added.keys() == {"new", "lines.z"}
    rows = rows_of(spark, lake)
    assert len(rows) == files
    assert (
        rows[0].asDict(recursive=True).items()
        >= (FIRST | {"price": Decimal("1.25"), "lines": [{"y": 1, "z": None}]}).items()
    )
    assert (rows[3].n, rows[3].ratio, rows[3].s.x) == (300, 1e300, LONG)
    assert (rows[5].n, rows[5].big) == (LONG, HUGE)
    assert rows[5].counts == {"k": LONG, "l": 1}
    assert (rows[7].q, rows[7].price) == (2.5, Decimal("12345678"))
    assert rows[7].lines == [Row(y=1, z=None), Row(y=LONG, z=1)]
    rescued = {row.order_id: row["_rescued_data"] for row in rows}
    odd = json.loads(rescued.pop("8-0"))
    assert (odd["q"], odd["big"]) == ("text", 2.5)
    assert set(rescued.values()) == {None}
    assert lake.silver_windows() == lake.closed_windows()
    assert run_audit(lake.config).verdict == "ok"

    run_replay(lake.config, Selection(globs=("00[05].json",)), run_id="run-3")

    assert rows_of(spark, lake) == rows
    assert run_audit(lake.config).verdict == "ok"


@pytest.mark.long
def test_dates_widen_to_times_of_parquet(tmp_path: Path, spark: SparkSession) -> None:
    """A table is made with what that needs; dates that come later are midnights."""
    lake = Lake(tmp_path, schema=None, **WIDEN)
    source = lake.file.read_text()
    lake.file.write_text(source.replace("schema: null", "format: parquet"))
    lake = Lake(tmp_path)
    noon = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - it is of no zone
    for number, kind in enumerate((pa.date32(), pa.timestamp("us"), pa.date32())):
        columns = {name: [text] for name, text in order(number, 0).items()}
        at = pa.array([noon], pa.timestamp("us")).cast(kind, safe=False)
        path = lake.landing / f"{number}.parquet"
        pq.write_table(pa.table(columns | {"at": at}), path)
        run_bronze(lake.config, run_id=f"run-{number}")

    rows = rows_of(spark, lake)
    midnight = noon.replace(hour=0)
    assert [row.at for row in rows] == [midnight, noon, midnight]
    assert {row["_rescued_data"] for row in rows} == {None}


@pytest.mark.long
def test_table_that_keeps_its_types_is_refused(
    tmp_path: Path, spark: SparkSession
) -> None:
    """Delta would cut the values short; the message has what to run."""
    lake = Lake(tmp_path, schema=None, **{"cloudFiles.inferColumnTypes": "true"})
    path = lake.landing / "1.json"
    path.write_text(json.dumps(order(0, 0) | {"big": 1}))
    run_bronze(lake.config, run_id="run-1")
    lake.file.unlink()
    typed = {"cloudFiles.inferColumnTypes": "true"}
    lake = Lake(tmp_path, schema=None, **typed, **WIDEN)
    path.with_name("2.json").write_text(json.dumps(order(1, 0) | {"big": HUGE}))

    with pytest.raises(UsageError, match="ALTER TABLE") as caught:
        run_bronze(lake.config, run_id="run-2")
    assert "ALTER TABLE" in str(fields_ahead(lake.config, waiting(lake)).problem)

    statement = caught.value.message.partition("run ")[2].partition(", which")[0]
    spark.sql(statement)
    (ahead,) = fields_ahead(lake.config, waiting(lake)).wider
    assert (ahead.field, ahead.type) == ("big", "decimal(20,0)")
    run_bronze(lake.config, run_id="run-3")
    assert [row.big for row in rows_of(spark, lake)] == [1, HUGE]


def waiting(lake: Lake) -> Sequence[LedgerFile]:
    """Return the files that a run would read."""
    return plan_run(lake.config).waiting


@pytest.mark.long
@pytest.mark.parametrize(
    ("aggregate", "goes_on"),
    [
        ("sum(q)", True),
        ("max(cast(q as bigint))", True),
        ("max(q)", False),
        ("sum(big)", False),
    ],
)
def test_silver_goes_on_where_its_own_types_do(
    tmp_path: Path, aggregate: str, *, goes_on: bool
) -> None:
    """Its state and its table have the types of the first run."""
    typed = {"cloudFiles.inferColumnTypes": "true", "cloudFiles.schemaHints": "q INT"}
    lake = Lake(tmp_path, schema=None, **typed, **WIDEN)
    counted = lake.file.read_text()
    lake.file.write_text(counted.replace("count(*)", aggregate))
    lake = Lake(tmp_path)
    values = {20: {"q": LONG, "big": HUGE}}
    for number in range(40):
        record = order(number, 0) | {"q": 1, "big": 1} | values.get(number, {})
        (lake.landing / f"{number:03d}.json").write_text(json.dumps(record))
        if number in {10, 39}:
            run_bronze(lake.config, run_id=f"run-{number}")
        if number == 10:
            tuple(run_silver_tables(lake.config, run_id="run"))

    if goes_on:
        tuple(run_silver_tables(lake.config, run_id="run"))
        assert max(count for _, count in lake.silver_windows()) >= LONG
        return
    with pytest.raises(FatalError) as caught:
        tuple(run_silver_tables(lake.config, run_id="run"))
    assert "cast the column in the aggregate" in caught.value.message
