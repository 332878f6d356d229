"""The properties of tables that delta-rs wrote, held against what rows need."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql.types import StructType

from sluice.errors import Condition, UsageError
from sluice.schema.properties import MAPPING, tables_that_take

ODD = StructType().add("a b", "string").add("s", StructType().add("c=d", "integer"))


class Settings(dict[str, str]):
    """The settings of a session."""

    set = dict.__setitem__
    unset = dict.__delitem__


def settings_while(
    rows: StructType, table: Path, *, widens: bool = False, **given: str
) -> dict[str, str]:
    """Return a session's settings while a query starts."""
    conf = Settings(given)
    spark: Any = SimpleNamespace(conf=conf)
    with tables_that_take(rows, str(table), spark, widens=widens):
        found = dict(conf)
    assert conf == given
    return found


def make_table(folder: Path, **properties: str | None) -> None:
    """Make an empty table."""
    empty = pa.table({"a": pa.array([], pa.int64())})
    write_deltalake(str(folder), empty, configuration=properties)


def test_new_table_gets_column_mapping_where_names_need_it(tmp_path: Path) -> None:
    """And no other: it asks for newer readers."""
    plain = StructType().add("a.b", "string").add("", "integer")

    assert settings_while(plain, tmp_path) == {}
    (setting,) = settings_while(ODD, tmp_path)
    assert setting.endswith("columnMapping.mode")
    assert settings_while(ODD, tmp_path, **{setting: "id"}) == {setting: "id"}


def test_table_without_column_mapping_is_refused(tmp_path: Path) -> None:
    """Before a query starts, with what to do."""
    make_table(tmp_path)

    with pytest.raises(UsageError, match="ALTER TABLE") as caught:
        settings_while(ODD, tmp_path)

    assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED
    assert caught.value.context["columns"] == ["a b", "s.c=d"]


def test_table_with_column_mapping_is_taken(tmp_path: Path) -> None:
    """As ALTER TABLE leaves it."""
    make_table(tmp_path, **{MAPPING: "name"})

    settings_while(ODD, tmp_path)


def test_new_table_widens_where_asked(tmp_path: Path) -> None:
    """With all that a date needs to become a time."""
    plain = StructType().add("a", "string")

    found = settings_while(plain, tmp_path, widens=True)

    assert {name.rpartition("defaults.")[2]: each for name, each in found.items()} == {
        "enableTypeWidening": "true",
        "feature.timestampNtz": "supported",
    }
    make_table(tmp_path)
    with pytest.raises(UsageError, match="ALTER TABLE"):
        settings_while(plain, tmp_path, widens=True)
    assert settings_while(plain, tmp_path) == {}


def test_table_that_takes_no_naive_times_is_refused(tmp_path: Path) -> None:
    """Delta adds that to a new table only."""
    times = StructType().add("s", StructType().add("at", "timestamp_ntz"))
    settings_while(times, tmp_path)
    make_table(tmp_path / "old")
    at = pa.table({"at": pa.array([], pa.timestamp("us"))})
    write_deltalake(str(tmp_path / "new"), at)

    settings_while(times, tmp_path / "new")
    with pytest.raises(UsageError, match=r"delta\.feature\.timestampNtz"):
        settings_while(times, tmp_path / "old")
