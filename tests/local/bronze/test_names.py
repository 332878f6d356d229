"""The names of rows, held against what a table that delta-rs wrote takes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql.types import StructType

from sluice.bronze.names import MAPPING, tables_that_take
from sluice.errors import Condition, UsageError

ODD = StructType().add("a b", "string").add("s", StructType().add("c=d", "integer"))


class Settings(dict[str, str]):
    """The settings of a session."""

    set = dict.__setitem__
    unset = dict.__delitem__


def settings_while(rows: StructType, table: Path, **given: str) -> dict[str, str]:
    """Return a session's settings while a query starts."""
    conf = Settings(given)
    with tables_that_take(rows, str(table), SimpleNamespace(conf=conf)):  # type: ignore[arg-type]
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
