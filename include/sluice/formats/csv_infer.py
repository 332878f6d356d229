"""Infer the columns of CSV files as Spark does: the narrowest type that fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sluice.formats.csv_columns import Layout, text_columns
from sluice.formats.csv_values import convert

_NULL, _STRING, _DOUBLE = pa.null(), pa.string(), pa.float64()
_DATE, _MOMENT = pa.date32(), pa.timestamp("us", "UTC")
_WHOLE = r"^[+-]?[0-9]{1,38}$"
_ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# What a year alone would be as a date or a time.
_YEAR = r"^\s*[+-]?[0-9]+\s*$"
"""A file's names, None without a header, and its blocks of plain records."""
Sample = tuple[list[str] | None, Iterator[bytes]]


def infer_columns(
    samples: Iterable[Sample], layout: Layout, *, typed: bool
) -> pa.Schema:
    """Return the columns of all samples, in the order in which they first appear."""
    kinds: dict[str, pa.DataType] = {}
    for names, blocks in samples:
        known = layout if names is None else replace(layout, names=tuple(names))
        found: dict[str, pa.DataType] = dict.fromkeys(known.distinct, _NULL)
        if typed or names is None:
            for block in filter(None, blocks):
                for name, texts in text_columns(block, known).items():
                    kind = type_of_cells(texts, layout) if typed else _STRING
                    if name in found or names is None:
                        found[name] = merge_types(found.get(name, _NULL), kind)
        for name, kind in found.items():
            kinds[name] = merge_types(kinds.get(name, _NULL), kind)
    return pa.schema(
        (name, _STRING if pt.is_null(kind) else kind) for name, kind in kinds.items()
    )


def merge_types(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """Return the narrowest type that holds the cells of both; a string holds any."""
    if left == right or pt.is_null(right):
        return left
    if pt.is_null(left):
        return right
    if _is_number(left) and _is_number(right):
        return _merge_numbers(left, right)
    return _MOMENT if {left, right} == {_DATE, _MOMENT} else _STRING


def _merge_numbers(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    if _DOUBLE in {left, right}:
        return _DOUBLE
    if pt.is_decimal(left) or pt.is_decimal(right):
        return pa.decimal128(max(_digits(left), _digits(right)), 0)
    return pa.int64()


def _is_number(kind: pa.DataType) -> bool:
    return any((pt.is_integer(kind), pt.is_floating(kind), pt.is_decimal(kind)))


def _digits(kind: pa.DataType) -> int:
    if pt.is_decimal(kind):
        return int(kind.precision)
    return len(str(1 << (int(kind.bit_width) - 1)))


def type_of_cells(texts: pa.Array, layout: Layout) -> pa.DataType:
    """Return the first type in Spark's order that every cell fits."""
    if texts.null_count == len(texts):
        return _NULL
    whole = (pa.int32(), pa.int64(), *_wide_type(texts))
    for kind in (*whole, _DOUBLE, *_times(texts, layout), pa.bool_()):
        if not convert(texts, kind, layout.formats)[1]:
            return kind
    return _STRING


def _wide_type(texts: pa.Array) -> list[pa.DataType]:
    """Return the decimal of integers that are too long for 64 bits."""
    if not _all_match(texts, _WHOLE):
        return []
    longest = pc.max(pc.utf8_length(pc.utf8_ltrim(texts, "+-"))).as_py()
    return [pa.decimal128(longest, 0)]


def _times(texts: pa.Array, layout: Layout) -> list[pa.DataType]:
    """Return the types of time that cells may have; a year alone is none."""
    has_year = pc.any(pc.match_substring_regex(texts, _YEAR)).as_py()
    days = [_DATE] if layout.formats.date or _all_match(texts, _ISO_DATE) else []
    return [*days, *([_MOMENT] if layout.formats.timestamp or not has_year else [])]


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())
