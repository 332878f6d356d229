"""What became of bronze since the last merge, seen in the logs alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from sluice.current import changes
from sluice.current.changes import find_changes
from sluice.errors import Condition, FatalError
from sluice.preflight.run import preflight
from support.current_lake import CurrentLake
from support.replays import DDL, declared


@pytest.fixture
def lake(tmp_path: Path) -> CurrentLake:
    """Return a lake whose bronze has one micro-batch."""
    lake = CurrentLake.at(tmp_path)
    lake.put((1, 1, "a"))
    return lake


def merged(lake: CurrentLake) -> None:
    """Write the table as if all of bronze was merged into it."""
    found = find_changes(lake.config, lake.current)
    assert found is not None
    write_deltalake(
        lake.location,
        pa.table({"id": [1]}),
        mode="append",
        commit_properties=CommitProperties(
            app_transactions=[Transaction(found.app_id, found.up_to)],
            custom_metadata={"userMetadata": found.metadata},
        ),
    )


def test_all_is_new_at_first_and_then_what_came_since(lake: CurrentLake) -> None:
    """Rows are new from the earliest time at which one of them was read."""
    first = find_changes(lake.config, lake.current)
    assert first is not None
    assert (first.up_to, first.has_new, first.since) == (0, True, None)
    merged(lake)
    assert find_changes(lake.config, lake.current) is None
    lake.put((2, 1, "a"))
    lake.put((3, 1, "a"))

    found = find_changes(lake.config, lake.current)

    assert found is not None
    assert (found.up_to, found.has_new) == (2, True)
    assert found.since == datetime(2025, 1, 1, 2, tzinfo=UTC)
    assert not found.replayed
    assert not found.rewritten


def test_without_bounds_in_the_log_all_is_read(
    lake: CurrentLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So are tables with more columns than Delta keeps bounds of."""
    merged(lake)
    lake.put((2, 1, "a"))
    monkeypatch.setattr(changes, "PROCESSING_TIME", "_no_such_column")
    found = find_changes(lake.config, lake.current)
    assert found is not None
    assert (found.has_new, found.since) == (True, None)


def test_what_is_done_is_read_of_commits(lake: CurrentLake) -> None:
    """A deletion is nothing to merge, and rows that were written again may be."""
    merged(lake)
    lake.bronze.optimize.compact()
    lake.bronze.delete("id = 1")
    found = find_changes(lake.config, lake.current)
    assert found is not None
    assert (found.has_new, found.rewritten) == (False, False)
    lake.put((2, 1, "a"))
    lake.bronze.update(updates={"value": "'b'"})
    found = find_changes(lake.config, lake.current)
    assert found is not None
    assert (found.has_new, found.rewritten) == (True, True)


def test_where_the_log_is_cleaned_all_keys_are_computed_again(
    lake: CurrentLake,
) -> None:
    """What the commits did that are gone is not known."""
    merged(lake)
    for number in range(2, 5):
        lake.put((number, 1, "a"))
    lake.bronze.create_checkpoint()
    for version in range(3):
        Path(lake.config.bronze_location, "_delta_log", f"{version:020}.json").unlink()
    found = find_changes(lake.config, lake.current)
    assert found is not None
    assert (found.has_new, found.since, found.rewritten) == (True, None, True)


@pytest.mark.parametrize(
    "other", [{"delete_when": None}, {"merge_keys": ("id", "value")}, {"scd_type": 2}]
)
def test_another_definition_is_refused(
    lake: CurrentLake, other: dict[str, object]
) -> None:
    """The table would be half of one and half of the other."""
    merged(lake)
    changed = lake.current.model_copy(update=other)
    with pytest.raises(FatalError, match="write to another 'table'") as refused:
        find_changes(lake.config, changed)
    assert refused.value.condition is Condition.DEFINITION_CHANGED


def test_a_table_that_was_set_back_is_refused(lake: CurrentLake) -> None:
    """What was merged is gone from it, and its transaction says that it is not."""
    merged(lake)
    lake.put((3, 1, "a"))
    merged(lake)
    DeltaTable(lake.location).restore(0)
    assert refusal(lake).endswith(
        "version 2 set it back; put both back from one backup, or move the table's "
        "folder away to have it computed again"
    )


@pytest.mark.parametrize(
    ("again", "said"),
    [(1, "source, which is at version 1"), (2, "is another one than it was made")],
)
def test_a_bronze_that_was_put_back_is_refused(
    lake: CurrentLake, again: int, said: str
) -> None:
    """Also when it has come to the same version again."""
    lake.put((2, 1, "a"))
    lake.put((3, 1, "a"))
    merged(lake)
    log = Path(lake.config.bronze_location, "_delta_log")
    for version in range(1, 3):
        (log / f"{version:020}.json").unlink()
    for _ in range(again):
        lake.put((4, 1, "a"))
    assert said in refusal(lake)


def test_a_restore_may_have_changed_any_row(lake: CurrentLake) -> None:
    """Though it only takes files out, as a deletion does."""
    lake.put((1, 9, "wrong"))
    merged(lake)
    lake.bronze.restore(0)
    found = find_changes(lake.config, lake.current)
    assert found is not None
    assert found.rewritten


def refusal(lake: CurrentLake) -> str:
    """Return why a table is refused."""
    with pytest.raises(FatalError) as refused:
        find_changes(lake.config, lake.current)
    assert refused.value.condition is Condition.TABLE_REWOUND
    return refused.value.message


def test_preflight_sees_work(tmp_path: Path) -> None:
    """With nothing landed, too: the run before may have been cut off."""
    current = {"name": "newest", "merge_keys": "order_id", "sequence_by": "order_date"}
    pipeline = declared(tmp_path, DDL, current=[current])
    pipeline.land("a.json")
    pipeline.run_batch()
    assert preflight(pipeline.config, run_id="run").silver_has_work
    merged(CurrentLake(pipeline.config))
    assert not preflight(pipeline.config, run_id="run").has_work
