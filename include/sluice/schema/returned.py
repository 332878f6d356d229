"""Rows of a table without the fields that were undone: what they held is rescued."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.base import Format
from sluice.formats.parquet_values import unknown_part
from sluice.formats.returned import add_rescued


@dataclass(frozen=True)
class Returning:
    """How the columns of a table give back what was undone of them.

    - ``format``: of the landed files, which says how a value is spelled;
    - ``kept``: by name the type that is left of a column, None of one that is empty.
    """

    format: Format
    kept: dict[str, pa.DataType | None]

    def rescue(
        self, columns: pa.StructArray, rescued: pa.Array, files: pa.Array
    ) -> pa.Array:
        """Return the rescued data of rows, with what is undone of their ``columns``."""
        kinds = {each.name: each.type for each in columns.type}
        texts = []
        rows = zip(
            *(each.to_pylist() for each in (columns, rescued, files)), strict=True
        )
        for values, text, path in rows:
            parts = {name: self._undone(name, each) for name, each in values.items()}
            raws = {
                name: self.format.rescued_value(part, kinds[name])
                for name, part in parts.items()
                if part is not None
            }
            texts.append(add_rescued(text, raws, path))
        return pa.array(texts, pa.string())

    def _undone(self, name: str, value: object) -> object:
        kind = self.kept[name]
        return value if kind is None else unknown_part(value, kind)


def empty_fields(column: pa.Array, kept: pa.DataType) -> pa.Array:
    """Return a column in which only the fields of type ``kept`` have values."""
    return pa.array([_kept(each, kept) for each in column.to_pylist()], column.type)


def _kept(value: object, kind: pa.DataType) -> object:
    if isinstance(value, dict) and pt.is_struct(kind):
        kinds = {each.name: each.type for each in kind}
        return {
            name: _kept(each, kinds[name]) if name in kinds else None
            for name, each in value.items()
        }
    if isinstance(value, list) and pt.is_map(kind):
        return [(key, _kept(each, kind.item_type)) for key, each in value]
    if isinstance(value, list):
        return [_kept(each, kind.value_type) for each in value]
    return value
