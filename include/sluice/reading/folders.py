"""Columns that the names of folders give: ``dt=2026-01-01/region=eu``, as Hive's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote

import pyarrow as pa

from sluice.formats.csv_values import convert
from sluice.formats.moments import DEFAULTS

_NULL = "__HIVE_DEFAULT_PARTITION__"
_WHOLE = re.compile(r"[+-]?\d+")
# Spark's order, with how the values of each are written; a string holds any.
_TYPES = {
    pa.int32(): _WHOLE,
    pa.int64(): _WHOLE,
    pa.float64(): re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?|[+-]?\d{1,18}"),
    pa.date32(): re.compile(r"\d{4}-\d\d-\d\d"),
    pa.timestamp("us", "UTC"): re.compile(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?|\d{4}-\d\d-\d\d"
    ),
}


def folder_values(path: str, base: str) -> dict[str, str | None]:
    """Return what the folders between ``base`` and the file at ``path`` say, by key.

    A value is None where Hive's name of a null stands. Keys and values are
    percent-decoded.
    """
    if "=" not in path or not path.startswith(base):
        return {}
    found: dict[str, str | None] = {}
    for folder in path[len(base) :].split("/")[:-1]:
        key, _, value = folder.partition("=")
        if key and value:
            found[unquote(key)] = None if value == _NULL else unquote(value)
    return found


def infer_folder_columns(
    paths: Iterable[str], base: str, *, named: Sequence[str] | None, typed: bool
) -> list[pa.Field]:
    """Return the columns of folders in the order of their keys; those ``named`` alone.

    Without ``typed`` each is a string, as is one without a value.
    """
    values: dict[str, list[str | None]] = {name: [] for name in named or ()}
    for path in paths:
        for key, value in folder_values(path, base).items():
            if named is None or key in values:
                values.setdefault(key, []).append(value)
    return [
        pa.field(key, _type_of(found) if typed else pa.string())
        for key, found in values.items()
    ]


def fill_folder_column(
    values: Mapping[str, str | None], column: pa.Field
) -> tuple[pa.Scalar, str | None]:
    """Return a column's value for a file, and the text that does not fit its type."""
    text = values.get(column.name)
    found, misfits = convert(pa.array([text], pa.string()), column.type, DEFAULTS)
    return found[0], text if misfits else None


def _type_of(values: Sequence[str | None]) -> pa.DataType:
    texts = [value for value in values if value is not None]
    for kind, pattern in _TYPES.items() if texts else ():
        written_so = all(map(pattern.fullmatch, texts))
        if written_so and not convert(pa.array(texts), kind, DEFAULTS)[1]:
            return kind
    return pa.string()
