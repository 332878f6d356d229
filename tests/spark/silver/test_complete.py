"""Tables that are computed whole, from bronze or from another silver table."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from sluice.audit import run_audit
from sluice.config import PipelineConfig
from sluice.control import signals
from sluice.errors import Condition, FatalError
from sluice.history.due import find_due
from sluice.silver import complete
from sluice.silver.complete import run_complete
from sluice.silver.run import run_silver_tables
from support.delta_rows import read_delta
from support.oracle import read_silver, snapshot_windows
from support.silver_lake import LANDED, SILVER, SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")

SLIDE = timedelta(minutes=2)
SLIDING = {"type": "sliding", "duration": "5 minutes", "slide": "2 minutes"}
HOURS = {
    "name": "hours",
    "from": "orders_windowed_aggregates",
    "event_time": {"column": "window_start"},
    "window": {"duration": "1 hour"},
    "where": "payment_method IS NOT NULL",
    "aggregates": {"orders": "sum(order_count)", "windows": "count(*)"},
    "output_mode": "complete",
}


NOTHING = dict.fromkeys(
    ("batches", "windows_emitted", "null_event_time_rows", "future_rows"), 0
)
# Read long before it happened.
FUTURE = {
    **order("06:00:00"),
    "_processing_time": datetime(2024, 1, 1, tzinfo=UTC),
}


def whole(folder: Path, **keys: object) -> SilverLake:
    """Return a lake of one table that is computed whole."""
    return SilverLake.at(folder, output_mode="complete", **keys)


def run(lake: SilverLake) -> dict[str, int]:
    """Run silver; return what it counts."""
    return dict(run_complete(lake.config, lake.silver, run_id="run").counts)


def findings(config: PipelineConfig) -> dict[str, str]:
    """Return the evidence by code of what an audit says of tables computed whole."""
    names = {each.name for each in config.complete}
    found = run_audit(config).findings
    return {each.code: each.evidence for each in found if each.subject in names}


def version(lake: SilverLake) -> int:
    """Return the version of the silver table."""
    return DeltaTable(lake.silver_location).version()


def test_a_table_computed_whole_follows_whatever_becomes_of_bronze(
    tmp_path: Path,
) -> None:
    """Rows in any order, rows that go, and none that is late; else nothing is written.

    A run that is repeated with the version that it was cut off at changes nothing.
    """
    keys = {"window": SLIDING, "deduplicate": ["order_id"]}
    lake = whole(tmp_path, **keys)
    assert run(lake) == NOTHING
    copied = {**order("00:00:30"), "order_id": "a"}
    lake.put(copied, order("05:00:00", 2.0), order("no time"))
    due = find_due(lake.config, lake.silver)
    assert due is not None
    counts = run(lake)
    assert (counts["null_event_time_rows"], counts["future_rows"]) == (1, 0)
    lake.put(order("00:01:00", 3.0), copied, order("00:02:00", method=None))
    run(lake)
    expected = snapshot_windows(lake.bronze_location, slide=SLIDE, once=True)
    assert read_silver(lake.silver_location) == expected

    before = version(lake)
    assert run(lake) == NOTHING
    complete._replace(lake.config, lake.silver, due)
    assert version(lake) == before
    DeltaTable(lake.bronze_location).optimize.compact()
    assert find_due(lake.config, lake.silver) is None

    DeltaTable(lake.bronze_location).delete("total_amount = 3.0")
    assert run(lake)["windows_emitted"] == len(read_silver(lake.silver_location))
    less = snapshot_windows(lake.bronze_location, slide=SLIDE, once=True)
    assert less != expected
    assert read_silver(lake.silver_location) == less
    assert findings(lake.config) == {}

    other = whole(tmp_path, group_by=["payment_method", "quantity"])
    run(other)
    assert read_silver(other.silver_location) == snapshot_windows(lake.bronze_location)


def test_a_table_that_is_not_ours_or_was_set_back_is_refused(
    spark: SparkSession, tmp_path: Path
) -> None:
    """By its rows; the audit names it, and another writer of rows as well."""
    lake = whole(tmp_path)
    lake.put(order("00:00:00"))
    spark.range(3).write.format("delta").save(lake.silver_location)
    with pytest.raises(FatalError, match="were not computed as a whole"):
        run(lake)
    spark.sql(f"DELETE FROM delta.`{lake.silver_location}`")
    run(lake)
    assert findings(lake.config) == {}

    lake.put(order("00:10:00"))
    assert findings(lake.config) == {
        "COMPLETE_BEHIND": "bronze has rows that are new or changed since"
    }
    spark.sql(f"DELETE FROM delta.`{lake.silver_location}`")
    assert findings(lake.config)["COMPLETE_WRONG"].startswith(
        "another writer changed it: DELETE in"
    )
    run(lake)
    assert len(read_silver(lake.silver_location)) == 2

    DeltaTable(lake.silver_location).restore(version(lake) - 1)
    with pytest.raises(FatalError, match="set it back") as caught:
        run(lake)
    assert caught.value.condition is Condition.TABLE_REWOUND
    assert list(findings(lake.config)) == ["COMPLETE_WRONG"]


def test_a_rule_marks_windows_or_lets_none_of_them_out(tmp_path: Path) -> None:
    """It belongs to the definition here: what is computed again is all marked."""
    lake = whole(tmp_path)
    lake.put(order("00:00:00"), order("00:00:01"), order("00:10:00"), FUTURE)
    assert run(lake)["future_rows"] == 1
    expect = {"expect": "order_count > 1"}
    failing = whole(tmp_path, expectations={"two": {**expect, "on_violation": "fail"}})
    before = version(lake)
    with pytest.raises(FatalError, match="rule 'two', 'order_count > 1': 1 windows"):
        run(failing)
    assert version(lake) == before

    marking = whole(tmp_path, expectations={"two": expect})
    notes = run_complete(marking.config, marking.silver, run_id="run").notes
    assert notes == (
        "rule 'two': 1 windows written to 'orders_windowed_aggregates' violate it",
    )
    rows = read_delta(lake.silver_location).to_pylist()
    assert {(row["order_count"], row["_violations"]) for row in rows} == {
        (2, None),
        (1, "two"),
    }

    assert run(lake)["batches"] == 1, "its rows are those of another definition"
    rows = read_delta(lake.silver_location).to_pylist()
    assert {row["_violations"] for row in rows} == {None}

    lake.put({**order("00:20:00"), "quantity": 0, "_source_file": "zero.json"})
    rate = {"rate": "sum(total_amount / quantity)"}
    dividing = whole(tmp_path, aggregates=rate)
    with pytest.raises(FatalError, match=r"aggregate 'rate'.* of file 'zero.json'"):
        run(dividing)
    assert read_delta(lake.silver_location).to_pylist() == rows


def test_after_a_signal_no_table_is_begun(tmp_path: Path) -> None:
    """Also one that came when the step before it had just ended."""
    lake = whole(tmp_path)
    lake.put(order("00:00:00"))
    with signals.listening():
        with signals.finishing_first():
            os.kill(os.getpid(), signal.SIGTERM)
        (summary,) = run_silver_tables(lake.config, run_id="run")
    assert summary.stopped
    assert summary.counts == NOTHING


def test_silver_on_silver_is_computed_behind_its_source(tmp_path: Path) -> None:
    """Whatever order the file has, and also behind a drain and a repair of it."""
    source = {**SILVER, "late_data": "repair"}
    raw = {
        "name": "orders",
        "lake": str(tmp_path),
        "bronze": {"source": {"schema": LANDED}},
        "silver": [HOURS, source],
    }
    lake = SilverLake(PipelineConfig.model_validate(raw))
    config = lake.config
    hours, windows = (config.silver_location(each) for each in config.silver)

    def run_all(*, drain: bool = False) -> list[str]:
        return [
            each.step for each in run_silver_tables(config, run_id="run", drain=drain)
        ]

    def equals() -> int:
        expected: dict[object, list[int]] = {}
        for (start, _, method), (count, *_) in read_silver(windows).items():
            if method is not None:
                hour = start.replace(minute=0)
                before = expected.get(hour, [0, 0])
                expected[hour] = [before[0] + count, before[1] + 1]
        rows = read_delta(hours).to_pylist()
        found = {row["window_start"]: [row["orders"], row["windows"]] for row in rows}
        assert found == expected
        return len(found)

    lake.put(order("00:00:00"), order("00:06:00"), order("01:00:00", method=None))
    lake.put(order("01:30:00"), order("02:00:00"))
    assert run_all() == ["orders_windowed_aggregates", "hours"]
    assert equals() == 2
    lake.put(order("00:01:00"), order("02:01:00"))
    run_all(drain=True)
    assert equals() == 3
    assert findings(config) == {}
