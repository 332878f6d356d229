"""Undone values are rescued as if they had never had a column."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.formats.base import Format, rescued_json
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.reading.names import without_fields
from sluice.schema.kept import FieldPath
from sluice.schema.returned import Returning, empty_fields
from support.parsing import parse_content, records_of

INT, TEXT, FLOAT = pa.int64(), pa.string(), pa.float64()


def list_of(kind: pa.DataType) -> pa.DataType:
    """Return an array type as Spark names its element."""
    return pa.list_(pa.field("element", kind))


SCHEMA = pa.schema(
    [
        ("id", INT),
        ("tip", FLOAT),
        ("at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("price", pa.decimal128(10, 2)),
        ("raw", pa.binary()),
        ("s", pa.struct([("a", INT), ("b", TEXT), ("t", pa.struct([("c", INT)]))])),
        ("l", list_of(pa.struct([("a", INT), ("b", TEXT)]))),
        ("m", pa.map_(TEXT, pa.struct([("a", INT), ("b", INT)]))),
    ]
)
RECORDS = [
    {"id": 1},
    {"id": 2, "tip": 1.5, "new": {"x": [1]}},
    {"id": 3, "tip": "much", "s": {"a": 1, "b": "x"}},
    {"id": 4, "s": {"a": "odd", "b": "x", "new": 1, "t": {"c": 5}}},
    {"id": 5, "s": {"t": {"c": 5, "d": 6}}},
    {"id": 6, "l": [{"a": 1}, {"a": 2, "b": "x"}, None, {"b": "y", "a": "odd"}]},
    {"id": 7, "m": {"k": {"a": 1, "b": 2}, "l": {"a": 3}, "n": {"b": "odd"}}},
    {"id": 8, "at": "2026-01-01T00:00:00Z", "day": "2026-01-01", "raw": "aGk="},
    {"id": 9, "l": [], "m": {}, "s": {}},
]
UNDONE: list[tuple[FieldPath, ...]] = [
    (("tip",), ("at",), ("day",), ("raw",)),
    (("s",), ("l",)),
    (("m",),),
    (("s", "b"), ("s", "t", "c")),
    (("s", "t"), ("l", "b")),
    (("l", "a"), ("m", "b")),
]


def read(given: Format, content: bytes, columns: pa.Schema) -> pa.Table:
    """Return rows as bronze has them."""
    blocks = parse_content(given, content, columns)
    rows = pa.concat_tables(block.columns for block in blocks)
    records = records_of(given, content, columns)
    texts = pa.array([rescued_json(each, "f") for each in records], TEXT)
    return rows.append_column("_rescued_data", texts)


def undo(
    given: Format, rows: pa.Table, columns: pa.Schema, undone: tuple[FieldPath, ...]
) -> tuple[pa.Table, list[object]]:
    """Return the rows without fields, and what of each is rescued then."""
    left = {each.name: each.type for each in without_fields(columns, undone)}
    touched = dict.fromkeys(path[0] for path in undone)
    returning = Returning(given, {name: left.get(name) for name in touched})
    values = pa.StructArray.from_arrays(
        [rows[name].combine_chunks() for name in touched],
        fields=[columns.field(name) for name in touched],
    )
    files = pa.array(["f"] * len(rows))
    texts = returning.rescue(values, rows["_rescued_data"].combine_chunks(), files)
    for name in touched:
        at, kind = rows.column_names.index(name), columns.field(name).type
        column = pa.nulls(len(rows), kind)
        if name in left:
            column = empty_fields(rows[name].combine_chunks(), left[name])
        rows = rows.set_column(at, columns.field(name), column)
    return rows.drop(["_rescued_data"]), loaded(texts)


def loaded(texts: pa.Array) -> list[object]:
    """Return rescued data without what an empty value leaves of it."""
    return [text and json.loads(text) for text in texts.to_pylist()]


def flat(content: list[dict[str, object]]) -> bytes:
    """Return records as lines of JSON."""
    return "\n".join(map(json.dumps, content)).encode()


@pytest.mark.parametrize("undone", UNDONE, ids=str)
def test_json_is_rescued_as_from_the_start(undone: tuple[FieldPath, ...]) -> None:
    """Also what is beside it in one object, element or map, and misfitted."""
    content, reduced = flat(RECORDS), pa.schema(without_fields(SCHEMA, undone))
    expected = read(JsonFormat(), content, reduced)

    rows, rescued = undo(
        JsonFormat(), read(JsonFormat(), content, SCHEMA), SCHEMA, undone
    )

    assert rescued == loaded(expected["_rescued_data"])
    for name in reduced.names:
        kind = reduced.field(name).type
        found = [stripped(each, kind) for each in rows[name].to_pylist()]
        assert found == expected[name].to_pylist()


def stripped(value: object, kind: pa.DataType) -> object:
    """Return a value without the fields that ``kind`` lacks, which must be null."""
    if isinstance(value, dict):
        kinds = {each.name: each.type for each in kind}
        assert all(value[name] is None for name in value.keys() - kinds.keys())
        return {name: stripped(value[name], each) for name, each in kinds.items()}
    if isinstance(value, list) and pa.types.is_map(kind):
        return [(key, stripped(each, kind.item_type)) for key, each in value]
    if isinstance(value, list):
        return [stripped(each, kind.value_type) for each in value]
    return value


@pytest.mark.parametrize("undone", [(("tip",),), (("id",), ("day",), ("b",))], ids=str)
def test_cells_are_rescued_as_text(undone: tuple[FieldPath, ...]) -> None:
    """As csv rescues what no column has."""
    columns = pa.schema(
        [("id", INT), ("tip", FLOAT), ("day", pa.date32()), ("b", pa.bool_())]
    )
    given = CsvFormat(header=True)
    content = b"id,tip,day,b,new\n1,1.5,2026-01-01,true,x\n2,much,,,\n"
    reduced = pa.schema(without_fields(columns, undone))

    _, rescued = undo(given, read(given, content, columns), columns, undone)

    assert rescued == loaded(read(given, content, reduced)["_rescued_data"])


@pytest.mark.parametrize("undone", UNDONE, ids=str)
def test_parquet_is_rescued_as_from_the_start(undone: tuple[FieldPath, ...]) -> None:
    """Its maps are lists of pairs there, for keys may be anything."""
    records = [
        {"id": 1, "tip": 1.5, "s": {"a": 1, "b": "x", "t": {"c": 1}}},
        {"id": 2, "l": [{"a": 1, "b": "x"}, None], "m": [("k", {"a": 1, "b": 2})]},
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(records, SCHEMA), sink)
    content, given = sink.getvalue().to_pybytes(), ParquetFormat()
    reduced = pa.schema(without_fields(SCHEMA, undone))

    _, rescued = undo(given, read(given, content, SCHEMA), SCHEMA, undone)

    assert rescued == loaded(read(given, content, reduced)["_rescued_data"])
