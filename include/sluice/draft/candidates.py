"""Columns that may be the key of rows or the time of events, by a sample of rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sluice.formats.patterns import read_pattern

_PATTERNS = (
    "yyyy-MM-dd HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ssXXX",
    "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "yyyy-MM-dd HH:mm:ss.SSS",
    "yyyy-MM-dd HH:mm",
    "yyyy-MM-dd",
    "dd.MM.yyyy HH:mm:ss",
    "MM/dd/yyyy HH:mm:ss",
    "dd.MM.yyyy",
)


def key_candidates(rows: pa.Table) -> list[str]:
    """Return the columns of text and whole numbers that differ in all ``rows``."""
    times = {column for column, _ in time_candidates(rows)}
    return [
        name
        for name in rows.column_names
        if name not in times and _is_key(rows.column(name))
    ]


def time_candidates(rows: pa.Table) -> list[tuple[str, str | None]]:
    """Return the columns that hold times, each with its pattern if it is text."""
    found = ((name, _patterns(rows.column(name))) for name in rows.column_names)
    return [(name, patterns[0]) for name, patterns in found if patterns]


def _is_key(column: pa.ChunkedArray) -> bool:
    can_be = pt.is_string(column.type) or pt.is_integer(column.type)
    if not can_be or column.null_count or len(column) < 2:  # noqa: PLR2004 - one differs
        return False
    return bool(pc.count_distinct(column).as_py() == len(column))


def _patterns(column: pa.ChunkedArray) -> list[str | None]:
    """Return what every value is read by: nothing else for a column of times."""
    if pt.is_timestamp(column.type) or pt.is_date(column.type):
        return [None]
    texts = column.drop_null()
    if not pt.is_string(column.type) or not len(texts):
        return []
    return list(_matching(texts.to_pylist()))


def _matching(texts: list[str]) -> Iterator[str]:
    for pattern in _PATTERNS:
        expression = read_pattern(pattern).expression
        if all(expression.fullmatch(text) for text in texts):
            yield pattern
