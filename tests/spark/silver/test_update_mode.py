"""Output mode ``update``: open windows are in the table too, and change there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.audit import run_audit
from sluice.errors import SluiceError
from sluice.silver import merge
from sluice.silver.backfill import run_backfill
from sluice.silver.run import run_silver
from support.oracle import expected_silver, read_silver, snapshot_windows
from support.silver_lake import SilverLake, order

pytestmark = pytest.mark.usefixtures("spark")


@pytest.fixture
def lake(tmp_path: Path) -> SilverLake:
    """Return an empty lake, its path not a plain one."""
    return SilverLake.at(tmp_path / "a lake", output_mode="update")


def run(lake: SilverLake):
    """Run silver."""
    return run_silver(lake.config, lake.silver, run_id="run")


def test_open_windows_are_there_at_once_and_change(lake: SilverLake) -> None:
    """Each run leaves what all rows but the late ones give, a null group as well."""
    lake.put(order("00:00:00"), order("00:30:00", 2.0), order("00:31:00", method=None))
    first = run(lake)
    assert len(read_silver(lake.silver_location)) == 3
    lake.put(order("00:01:00"), order("00:31:00", 5.0), order("00:32:00", method=None))
    second = run(lake)

    expected = expected_silver(lake.bronze_location, lake.checkpoint)
    everything = expected.windows | expected.open_windows
    assert read_silver(lake.silver_location) == everything
    assert (first.counts["windows_emitted"], second.counts["windows_emitted"]) == (3, 2)
    assert second.counts["late_rows"] == expected.late_rows == 1

    start, end = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
    run_backfill(lake.config, lake.silver, start=start, end=end, run_id="backfill")
    assert read_silver(lake.silver_location) == snapshot_windows(lake.bronze_location)


@pytest.mark.parametrize(
    "is_behind",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["before", "behind"],
)
def test_a_micro_batch_that_fails_around_its_merge_is_in_the_table_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_behind: bool
) -> None:
    """It comes again under its id; behind the MERGE, the table passes over it."""
    lake = SilverLake.at(tmp_path, output_mode="update", late_data="repair")
    lake.put(order("00:00:00"), order("00:30:00"))
    run(lake)
    lake.put(order("00:31:00"), order("00:01:00"))
    before = DeltaTable(lake.silver_location).version()
    original = merge.merge_rows

    def failing(*arguments: object) -> None:
        if is_behind:
            original(*arguments)
        message = "the driver is gone"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "merge_rows", failing)
        with pytest.raises(SluiceError):
            run(lake)
    assert DeltaTable(lake.silver_location).version() == before + is_behind

    run(lake)

    assert read_silver(lake.silver_location) == snapshot_windows(lake.bronze_location)
    of_silver = [
        each.code
        for each in run_audit(lake.config).findings
        if lake.silver.name in each.subject
    ]
    assert of_silver == ["ROWS_LATE"]
    merges = [
        each
        for each in DeltaTable(lake.silver_location).history()
        if each["operation"] == "MERGE" and each["version"] > before
    ]
    assert len(merges) == 1
