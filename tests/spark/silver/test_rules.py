"""Rules on windows: by whichever way a window comes out, it is held against them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sluice.audit import run_audit
from sluice.checkpoint import read_checkpoint
from sluice.errors import Condition, FatalError, UsageError
from sluice.history.violations import list_violations, total_violations
from sluice.history.windows import count_violating
from sluice.silver.backfill import run_backfill
from sluice.silver.merge import write_windows
from sluice.silver.run import run_silver
from support.command_line import Sluice, command_line
from support.delta_rows import read_delta
from support.oracle import read_silver, snapshot_windows
from support.session_oracle import batch_sessions
from support.silver_lake import LANDED, SILVER, SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")

SEVERAL = {"several": {"expect": "order_count >= 2"}}
FAILING = {"several": {"expect": "order_count >= 2", "on_violation": "fail"}}
START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
SESSION = {"type": "session", "gap": "5 minutes"}


def run(lake: SilverLake, *, drain: bool = False):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run", drain=drain)


def backfill(lake: SilverLake):
    """Compute all closed windows again."""
    return run_backfill(lake.config, lake.silver, start=START, end=END, run_id="back")


def marked(lake: SilverLake) -> int:
    """Return how many windows are marked, which are those of one order."""
    rows = read_delta(lake.silver_location).to_pylist()
    for row in rows:
        expected = "several" if row["order_count"] < 2 else None
        assert row["_violations"] == expected, row
    bad = sum(row["order_count"] < 2 for row in rows)
    assert count_violating(lake.silver_location) == ({"several": bad} if bad else {})
    return bad


def windows_wrong(lake: SilverLake) -> list[str]:
    """Return what an audit finds of the silver table, beside what waits."""
    found = run_audit(lake.config).findings
    mine = [each for each in found if lake.silver.name in each.subject]
    meant = {"BATCH_UNFINISHED", "ROWS_LATE"}
    return [each.code for each in mine if each.code not in meant]


def counted(lake: SilverLake) -> list[tuple[object, ...]]:
    """Return what is kept of each commit."""
    kept = ("run_id", "batch_id", "path", "rule", "rows")
    return [tuple(row[key] for key in kept) for row in list_violations(lake.config)]


@pytest.fixture
def sluice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sluice:
    """Return the command."""
    return command_line(capsys, monkeypatch)


def listed(
    folder: Path, silver: dict[str, object], sluice: Sluice
) -> dict[str, object]:
    """Return the only rule that the command lists."""
    file = folder / "orders.yaml"
    bronze = {"source": {"schema": LANDED}}
    keys = {"name": "orders", "lake": str(folder), "bronze": bronze}
    file.write_text(json.dumps({**keys, "silver": [silver]}))
    (shown,) = json.loads(sluice("rules", str(file), "--json")[1])["rules"]
    return shown


@pytest.mark.parametrize(
    "mode", ["append", pytest.param("update", marks=pytest.mark.long)]
)
def test_windows_are_marked_and_counted_however_they_come(
    tmp_path: Path, sluice: Sluice, mode: str
) -> None:
    """A table that began without rules gets them by the stream, and by a backfill.

    Then a repair of late rows, a drain, and a stream without the rule.
    """
    keys = {"late_data": "repair", "output_mode": mode}
    plain = SilverLake.at(tmp_path, **keys)
    plain.put(order("00:00:00"), order("00:00:01"), order("00:06:00"))
    plain.put(order("00:30:00"), order("00:31:00"))
    run(plain)
    lake = SilverLake.at(tmp_path, **keys, expectations=SEVERAL)
    assert backfill(lake).notes == (
        "rule 'several': 1 windows written to 'orders_windowed_aggregates' violate it",
    )
    assert marked(lake) == 1
    assert counted(lake) == [("back", None, lake.silver_location, "several", 1)]

    lake.put(order("00:07:00"), order("00:12:00"), order("01:00:00"))
    notes = run(lake, drain=True).notes
    assert any("rule 'several'" in note for note in notes)
    assert marked(lake) == 2
    assert read_silver(lake.silver_location) == snapshot_windows(lake.bronze_location)
    assert not windows_wrong(lake)

    shown = listed(tmp_path, {**SILVER, **keys, "expectations": SEVERAL}, sluice)
    assert (shown["table"], shown["rows"]) == ("orders_windowed_aggregates", 2)
    assert total_violations(lake.config) == {}

    if mode == "update":
        plain.put(order("01:01:00"), order("02:00:00"))
        run(plain)
        rows = read_delta(lake.silver_location).to_pylist()
        later = [row for row in rows if row["window_start"].hour]
        assert {row["_violations"] for row in later} == {None}


@pytest.mark.long
def test_sessions_are_marked_too(tmp_path: Path) -> None:
    """Those that a repair replaces, and those that a drain puts in."""
    lake = SilverLake.at(
        tmp_path, window=SESSION, late_data="repair", expectations=SEVERAL
    )
    lake.put(order("00:00:00"), order("00:20:00"), order("00:21:00"))
    lake.put(order("01:00:00"), order("01:00:00", method="cash"))
    run(lake)
    assert marked(lake) == 1
    lake.put(order("00:01:00"), order("00:30:00"))
    run(lake)
    assert marked(lake) == 1
    run(lake, drain=True)
    assert marked(lake) == 3
    gap = lake.silver.window.grid.duration
    assert read_silver(lake.silver_location) == batch_sessions(
        lake.bronze_location, gap
    )
    assert sum(row[-1] for row in counted(lake)) == 4


def test_a_rule_that_fails_lets_nothing_of_its_micro_batch_out(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Nor anything of a backfill. It is named, with a window.

    What the table has already is not judged again.
    """
    warned = SilverLake.at(tmp_path, expectations=SEVERAL)
    warned.put(order("00:00:00"), order("00:00:01"), order("00:06:00", 2.0))
    warned.put(order("00:30:00"), order("00:31:00"))
    run(warned)
    assert marked(warned) == 1
    there = read_silver(warned.silver_location)

    lake = SilverLake.at(tmp_path, expectations=FAILING)
    # A run that was killed when the table had them, and the commit log had not.
    query_id = str(read_checkpoint(lake.checkpoint).query_id)
    again = write_windows(lake.silver_location, lake.silver, query_id, merges=False)
    windows = spark.read.format("delta").load(lake.silver_location)
    again(windows.drop("_violations"), 0)
    assert read_silver(lake.silver_location) == there
    said = (
        r"silver 'orders_windowed_aggregates': rule 'several', 'order_count >= 2': "
        r'1 windows violate it, as \{"window_start":"2025-01-01T00:%s:00.000Z",.*'
        r'"order_count":1,"total_revenue":%s'
    )
    with pytest.raises(FatalError, match=said % ("05", "2.0")):
        backfill(lake)
    lake.put(order("00:32:00"), order("00:40:00", 7.0), order("01:00:00"))
    with pytest.raises(FatalError, match=said % ("40", "7.0")) as caught:
        run(lake)
    assert caught.value.condition is Condition.EXPECTATION_VIOLATED
    assert caught.value.exit_code == 65
    assert read_silver(lake.silver_location) == there
    assert not windows_wrong(lake)


@pytest.mark.parametrize(
    "expect", ["oder_count > 1", "order_count", "sum(order_count) > 1"]
)
def test_a_rule_that_spark_cannot_analyse_is_refused(
    tmp_path: Path, expect: str
) -> None:
    """Before anything is written, by name."""
    lake = SilverLake.at(tmp_path, expectations={"wrong": {"expect": expect}})
    lake.put(order("00:00:00"))

    with pytest.raises(UsageError, match=r"expectations\.wrong is .*'order_count'"):
        run(lake)
