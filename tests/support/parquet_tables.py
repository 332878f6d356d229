"""Parquet files of any shape, each with a schema by which Spark can read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

NAMES = [*"abcdef", "with space", "dot.ted", "ü"]
_WORDS = st.text("aé\x00 ,", max_size=5)
_MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001


@dataclass(frozen=True)
class Kind:
    """A type of a file, one of a column that may read it, and values of the first.

    ``read`` is a type of Spark's SQL.
    """

    stored: pa.DataType
    read: str
    values: st.SearchStrategy[Any]


@dataclass(frozen=True)
class File:
    """A table, how it is written, and the columns that are asked for by type of SQL."""

    table: pa.Table
    layout: dict[str, Any]
    columns: dict[str, str]

    def write(self, path: str, number: int) -> None:
        """Write the file, its columns called so that no other file has them."""
        rows = self.table.num_rows
        names = [f"{number} {name}" for name in self.table.column_names]
        table = self.table.rename_columns(names)
        table = table.append_column("file", pa.array([number] * rows, pa.int32()))
        table = table.append_column("row", pa.array(range(rows), pa.int32()))
        pq.write_table(table, path, **self.layout)

    def unknown(self, row: int) -> set[str]:
        """Return the columns with a value in ``row`` that are not asked for."""
        (values,) = self.table.slice(row, 1).to_pylist()
        others = values.keys() - self.columns.keys()
        return {name for name in others if values[name] is not None}


def _integers(stored: pa.DataType, *read: str) -> st.SearchStrategy[Kind]:
    bits = stored.bit_width - 1
    low, high = (0, 2 * 2**bits) if str(stored)[0] == "u" else (-(2**bits), 2**bits)
    values = st.integers(low, high - 1) | st.integers(max(low, -3), 3)
    return st.sampled_from(read).map(lambda each: Kind(stored, each, values))


@st.composite
def _decimals(draw: st.DrawFn) -> Kind:
    whole, scale = draw(st.integers(0, 19)), draw(st.integers(0, 9))
    digits = max(whole + scale, 1)
    more = draw(st.sampled_from([(0, 0), (1, 0), (3, 2), (9, 1)]))
    read = f"decimal({min(digits + sum(more), 38)}, {scale + more[1]})"
    most = (10**digits - 1) // 10**scale
    values = st.decimals(-most, most, places=scale, allow_nan=False)
    return Kind(pa.decimal128(digits, scale), read, values)


@st.composite
def _moments(draw: st.DrawFn) -> Kind:
    unit, zone = draw(st.sampled_from(["ms", "us"])), draw(st.sampled_from([None, UTC]))
    values = _MOMENTS.map(lambda each: each.replace(tzinfo=zone))
    if unit == "ms":
        values = values.map(
            lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000)
        )
    read = draw(st.sampled_from(["timestamp", "timestamp_ntz"]))
    return Kind(pa.timestamp(unit, "UTC" if zone else None), read, values)


def _kinds(stored: list[pa.DataType], read: list[str], values: Any) -> Any:
    return st.builds(Kind, st.sampled_from(stored), st.sampled_from(read), values)


_LEAVES = st.one_of(
    _integers(
        pa.int8(), "tinyint", "smallint", "int", "bigint", "double", "decimal(12, 2)"
    ),
    _integers(pa.int16(), "smallint", "int", "bigint", "double", "decimal(10, 0)"),
    _integers(pa.int32(), "int", "bigint", "double", "decimal(11, 1)"),
    _integers(pa.int64(), "bigint", "decimal(22, 2)"),
    _integers(pa.uint8(), "smallint", "int", "bigint"),
    _integers(pa.uint16(), "int", "bigint"),
    _integers(pa.uint32(), "bigint"),
    _integers(pa.uint64(), "decimal(20, 0)"),
    _kinds([pa.bool_()], ["boolean"], st.just(st.booleans())),
    _kinds([pa.float32()], ["float", "double"], st.just(st.floats(width=32))),
    _kinds([pa.float64()], ["double"], st.just(st.floats())),
    _decimals(),
    _kinds(
        [pa.date32()],
        ["date", "timestamp_ntz"],
        st.just(st.dates(date(2, 1, 1), date(9998, 1, 1))),
    ),
    _moments(),
    _kinds(
        [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())],
        ["string", "binary"],
        st.just(_WORDS),
    ),
    _kinds([pa.binary()], ["binary"], st.just(st.binary(max_size=4))),
    _kinds([pa.binary()], ["string"], st.just(_WORDS.map(str.encode))),
    _kinds([pa.binary(3)], ["binary"], st.just(st.binary(min_size=3, max_size=3))),
)


def _list(element: Kind) -> Kind:
    values = st.lists(_nullable(element), max_size=3)
    return Kind(pa.list_(element.stored), f"array<{element.read}>", values)


def _map(key: Kind, item: Kind) -> Kind:
    pairs = st.lists(st.tuples(key.values, _nullable(item)), max_size=3)
    values = pairs.map(lambda each: list(dict(each).items()))
    read = f"map<{key.read}, {item.read}>"
    return Kind(pa.map_(key.stored, item.stored), read, values)


@st.composite
def _struct(draw: st.DrawFn, children: st.SearchStrategy[Kind]) -> Kind:
    fields = draw(st.lists(children, min_size=1, max_size=3))
    named = dict(zip("xyz", fields, strict=False))
    stored = pa.struct([(name, each.stored) for name, each in named.items()])
    values = st.fixed_dictionaries(
        {name: _nullable(each) for name, each in named.items()}
    )
    # Without a known field a null struct looks like an empty one to Spark.
    asked = draw(st.lists(st.sampled_from(sorted(named)), min_size=1, unique=True))
    columns = [f"{name}: {named[name].read}" for name in asked]
    columns += draw(st.sampled_from([[], ["missing: int"]]))
    return Kind(stored, f"struct<{', '.join(draw(st.permutations(columns)))}>", values)


_KEYS = st.one_of(
    _integers(pa.int32(), "int"),
    _kinds([pa.string()], ["string"], st.just(_WORDS)),
)


def _nested(children: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    return st.one_of(
        children.map(_list), st.builds(_map, _KEYS, children), _struct(children)
    )


KINDS = st.recursive(_LEAVES, _nested, max_leaves=4)


def _nullable(kind: Kind) -> st.SearchStrategy[Any]:
    return st.none() | kind.values


_LAYOUTS = st.fixed_dictionaries(
    {
        "row_group_size": st.sampled_from([1, 3, 1000]),
        "compression": st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4"]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "version": st.sampled_from(["2.4", "2.6"]),
        "use_dictionary": st.booleans(),
        # pyarrow writes pages without values where they are smaller, and reads none.
        "data_page_size": st.sampled_from([128, 1 << 20]),
        "write_statistics": st.booleans(),
        "write_page_index": st.booleans(),
        "write_page_checksum": st.booleans(),
        "use_compliant_nested_type": st.booleans(),
        "store_decimal_as_integer": st.booleans(),
        "store_schema": st.booleans(),
        "use_deprecated_int96_timestamps": st.booleans(),
    }
)


@st.composite
def files(draw: st.DrawFn) -> File:
    """Draw a file and the columns to read: in another order, some of them missing."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=6))
    named = dict(zip(NAMES, kinds, strict=False))
    rows = draw(st.integers(0, 7))
    arrays = {
        name: pa.array(
            draw(st.lists(_nullable(kind), min_size=rows, max_size=rows)), kind.stored
        )
        for name, kind in named.items()
    }
    asked = draw(st.lists(st.sampled_from(sorted(named)), min_size=1, unique=True))
    columns = {name: named[name].read for name in draw(st.permutations(asked))}
    columns |= draw(st.sampled_from([{}, {"missing": "struct<x: int>"}]))
    return File(pa.table(arrays), draw(_LAYOUTS), columns)
