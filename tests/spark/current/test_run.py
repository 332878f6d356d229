"""Tables of current rows: always what a batch query over bronze gives."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from sluice.current import merge
from sluice.current.changes import find_changes
from sluice.errors import UsageError
from support.current_lake import CurrentLake, Row
from support.delta_rows import read_delta

pytestmark = pytest.mark.usefixtures("spark")

_KEYS = st.sampled_from([1, 2, 3, None])
_TIMES = st.sampled_from([1, 2, 3, 4, None])
_VALUES = st.sampled_from(["a", "b", "gone", None])
_FILES = st.lists(
    st.tuples(_KEYS, _TIMES, _VALUES), max_size=5, unique_by=lambda row: row[:2]
)
KINDS = pytest.mark.parametrize("scd_type", [1, 2])


@pytest.fixture
def newest(tmp_path: Path) -> CurrentLake:
    """Return a lake whose table has the newest rows."""
    return CurrentLake.at(tmp_path / "a lake")


@pytest.fixture
def history(tmp_path: Path) -> CurrentLake:
    """Return a lake whose table has all rows and how long they were valid."""
    return CurrentLake.at(tmp_path / "a lake", scd_type=2)


@pytest.mark.long
@KINDS
@given(files=st.lists(st.tuples(_FILES, st.booleans()), min_size=1, max_size=6))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_of_files_and_runs(
    scd_type: int,
    files: list[tuple[list[Row], bool]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever comes in whatever order, the table is what bronze as a whole gives."""
    lake = CurrentLake.at(tmp_path_factory.mktemp("lake"), scd_type=scd_type)
    for rows, runs in files:
        lake.put(*rows)
        if runs:
            lake.run()
    lake.run()

    assert lake.rows() == lake.expected()
    assert not any(lake.run().counts.values())


def test_newest_row_of_each_key_is_there(newest: CurrentLake) -> None:
    """Late rows change nothing; a deleted key does not come back with one of them."""
    newest.put((1, 2, "a"), (1, 1, "old"), (2, 5, "gone"), (None, 1, "x"), (3, 1, "c"))
    first = newest.run()
    newest.put((1, 1, "late"), (2, 4, "late"), (3, 1, "read later"), (4, None, "x"))
    second = newest.run()

    assert newest.rows() == newest.expected()
    assert newest.rows() == {
        (1, 2, "a", False),
        (2, 5, "gone", True),
        (3, 1, "read later", False),
    }
    assert list(first.counts.values()) == [3, 0, 0, 1]
    assert list(second.counts.values()) == [0, 1, 0, 1]


def test_history_has_all_rows_and_their_times(history: CurrentLake) -> None:
    """A late row takes its place between those that are there."""
    history.put((1, 1, "a"), (1, 5, "b"), (2, 1, "a"), (2, 4, "gone"))
    history.run()
    history.put((1, 3, "late"), (2, 6, "again"))
    history.run()

    assert history.rows() == history.expected()
    assert history.rows() == {
        (1, 1, "a", False, 3),
        (1, 3, "late", False, 5),
        (1, 5, "b", False, None),
        (2, 1, "a", False, 4),
        (2, 4, "gone", True, 6),
        (2, 6, "again", False, None),
    }


@pytest.mark.parametrize("scd_type", [1, pytest.param(2, marks=pytest.mark.long)])
def test_what_others_do_to_bronze(tmp_path: Path, scd_type: int) -> None:
    """What is deleted stays, what is changed changes, and compaction is nothing."""
    lake = CurrentLake.at(tmp_path, scd_type=scd_type)
    lake.put((1, 1, "a"), (2, 1, "b"))
    lake.put((2, 2, "c"), (2, 999, "wrong"), (3, 1, "x"))
    lake.run()
    known = lake.expected()
    lake.bronze.optimize.compact()
    assert find_changes(lake.config, lake.current) is None
    lake.bronze.delete("_source_file = '1.json'")
    lake.run()
    assert lake.rows() == known
    lake.bronze.update(updates={"at": "3"}, predicate="at = 999")
    lake.bronze.update(updates={"id": "4"}, predicate="id = 3")
    lake.run()

    older = [
        *({"id": 1, "at": 1, "value": "a"}, {"id": 2, "at": 1, "value": "b"}),
    ]
    deleted = [
        {**row, "_processing_time": datetime.min.replace(tzinfo=UTC)} for row in older
    ]
    bronze = read_delta(lake.config.bronze_location).to_pylist()
    assert lake.rows() == lake.computed([*deleted, *bronze])


@pytest.mark.parametrize(
    "is_behind",
    [pytest.param(False, marks=pytest.mark.long), True],
    ids=["before", "behind"],
)
def test_a_merge_that_fails_is_in_the_table_once(
    newest: CurrentLake, monkeypatch: pytest.MonkeyPatch, *, is_behind: bool
) -> None:
    """Behind the commit the next run finds that nothing is left to do."""
    newest.put((1, 1, "a"))
    newest.run()
    newest.put((1, 2, "b"), (2, 1, "c"))
    original = merge.merge_rows

    def failing(*arguments: object) -> None:
        if is_behind:
            original(*arguments)
        message = "the driver is gone"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "merge_rows", failing)
        with pytest.raises(RuntimeError):
            newest.run()
    assert (newest.rows() == newest.expected()) == is_behind

    counts = newest.run().counts
    assert newest.rows() == newest.expected()
    assert any(counts.values()) != is_behind


def test_of_two_that_merge_the_same_one_does(
    newest: CurrentLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is passed over by the table, also where it comes much later."""
    newest.put((1, 1, "a"))
    newest.run()
    newest.put((1, 2, "b"))
    original = merge.merge_rows

    def overtaken(*arguments: object) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(merge, "merge_rows", original)
            newest.put((1, 3, "c"))
            newest.run()
        original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(merge, "merge_rows", overtaken)
        newest.run()

    assert newest.rows() == newest.expected() == {(1, 3, "c", False)}
    history = DeltaTable(newest.location).history()
    assert [each["operation"] for each in history].count("MERGE") == 2


@pytest.mark.long
def test_bronze_gets_a_column_and_a_wider_type(tmp_path: Path) -> None:
    """The table follows; rows from before have null there."""
    lake = CurrentLake.at(tmp_path)
    options = {"cloudFiles.schemaEvolutionMode": "addNewColumnsWithTypeWidening"}
    source = lake.config.bronze.source.model_copy(
        update={"ddl": None, "options": options}
    )
    bronze = lake.config.bronze.model_copy(update={"source": source})
    lake = CurrentLake(lake.config.model_copy(update={"bronze": bronze}))
    spark = SparkSession.getActiveSession()
    lake.put((1, 1, "a"), (2, 1, "b"))
    lake.run()
    where = f"delta.`{lake.config.bronze_location}`"
    spark.sql(
        f"ALTER TABLE {where} SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true')"
    )
    spark.sql(f"ALTER TABLE {where} ALTER COLUMN at TYPE bigint")
    spark.sql(f"ALTER TABLE {where} ADD COLUMNS (`more` double)")
    spark.sql(
        f"INSERT INTO {where} (id, at, value, more, _source_file, _processing_time) "
        "VALUES (1, 5000000000, 'c', 0.5, 'z.json', TIMESTAMP '2025-02-01 00:00:00')"
    )
    lake.run()

    found = spark.read.format("delta").load(lake.location)
    rows = found.select("id", "at", "value", "more").collect()
    assert set(map(tuple, rows)) == {(1, 5000000000, "c", 0.5), (2, 1, "b", None)}


@pytest.mark.parametrize(
    ("current", "said"),
    [
        ({"merge_keys": ["no", "ID"]}, r"bronze has no columns \['no', 'ID'\]"),
        ({"delete_when": "nothing = 1"}, "delete_when 'nothing = 1' is wrong"),
        ({"delete_when": "at + 1"}, "delete_when is int"),
    ],
)
def test_what_bronze_cannot_give_is_named(
    tmp_path: Path, current: dict[str, object], said: str
) -> None:
    """Nothing is written then."""
    lake = CurrentLake.at(tmp_path, **current)
    lake.put((1, 1, "a"))
    with pytest.raises(UsageError, match=said):
        lake.run()
    assert not Path(lake.location).exists()
