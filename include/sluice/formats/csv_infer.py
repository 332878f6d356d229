"""Infer the columns of CSV files as Spark does: the narrowest type that fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sluice.formats.csv_columns import Layout, text_columns
from sluice.formats.csv_values import fits
from sluice.formats.moments import Formats
from sluice.formats.streams import joined

_NULL, _STRING, _DOUBLE = pa.null(), pa.string(), pa.float64()
_DATE, _MOMENT = pa.date32(), pa.timestamp("us", "UTC")
# Integers that are too long for 64 bits.
_WIDE = pa.decimal128(38, 0)
_WHOLE = r"^[+-]?[0-9]{1,38}$"
_ISO = "yyyy-MM-dd"
_ISO_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# What a year alone would be as a date or a time.
_YEAR = r"^\s*[+-]?[0-9]+\s*$"
# A type that does not fit a column mostly fails on these.
_FEW = 64
# In Spark's order.
_KINDS = (pa.int32(), pa.int64(), _WIDE, _DOUBLE, _DATE, _MOMENT, pa.bool_())
Sample = tuple[list[str] | None, Iterator[bytes]]
"""A file's names, None without a header, and its blocks of plain records."""


def infer_columns(
    samples: Iterable[Sample], layout: Layout, *, typed: bool
) -> pa.Schema:
    """Return the columns of all samples, in the order in which they first appear."""
    kinds: dict[str, pa.DataType] = {}
    merge = partial(merge_types, formats=layout.formats)
    for names, blocks in _joined_by_names(samples):
        known = layout if names is None else replace(layout, names=tuple(names))
        found: dict[str, pa.DataType] = dict.fromkeys(known.distinct, _NULL)
        if typed or names is None:
            for block in blocks:
                for name, texts in text_columns(block, known).items():
                    is_text = not typed or found.get(name) == _STRING
                    kind = _STRING if is_text else type_of_cells(texts, layout)
                    if name in found or names is None:
                        found[name] = merge(found.get(name, _NULL), kind)
        for name, kind in found.items():
            kinds[name] = merge(kinds.get(name, _NULL), kind)
    return pa.schema(
        (name, _STRING if pt.is_null(kind) else kind) for name, kind in kinds.items()
    )


def _joined_by_names(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Join the files with one header, one behind the other; others stay alone.

    Without a header a file says by itself how many columns it has.
    """
    for names, alike in groupby(samples, key=itemgetter(0)):
        if names is None:
            yield from ((None, joined(blocks)) for _, blocks in alike)
        else:
            yield names, joined(block for _, blocks in alike for block in blocks)


def merge_types(left: pa.DataType, right: pa.DataType, formats: Formats) -> pa.DataType:
    """Return the narrowest type that holds the cells of both; a string holds any.

    A timestamp holds dates as Spark writes them, and none of a pattern of its own.
    """
    if left == right or pt.is_null(right):
        return left
    if pt.is_null(left):
        return right
    if _is_number(left) and _is_number(right):
        return _merge_numbers(left, right)
    is_time = {left, right} == {_DATE, _MOMENT}
    return _MOMENT if is_time and formats.date in {None, _ISO} else _STRING


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
    cells = texts.drop_null()
    if not len(cells):
        return _NULL
    few = cells.slice(0, _FEW)
    for kind in _KINDS:
        if _is_of(few, kind, layout) and _is_of(cells, kind, layout):
            return _narrowed(kind, cells)
    return _STRING


def _is_of(cells: pa.Array, kind: pa.DataType, layout: Layout) -> bool:
    return _may_be(cells, kind, layout) and fits(cells, kind, layout.formats)


def _may_be(cells: pa.Array, kind: pa.DataType, layout: Layout) -> bool:
    """Return False if inference gives such cells another type, though this one fits."""
    if kind == _WIDE:
        return _all_match(cells, _WHOLE)
    if kind == _DATE:
        return bool(layout.formats.date) or _all_match(cells, _ISO_DATE)
    if kind == _MOMENT and not layout.formats.timestamp:
        return not pc.any(pc.match_substring_regex(cells, _YEAR)).as_py()
    return True


def _narrowed(kind: pa.DataType, cells: pa.Array) -> pa.DataType:
    """Return the decimal with as many digits as the longest integer."""
    if kind != _WIDE:
        return kind
    longest = pc.max(pc.utf8_length(pc.utf8_ltrim(cells, "+-"))).as_py()
    return pa.decimal128(longest, 0)


def _all_match(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py())
