"""Names of a file's fields under those of the schema, where case does not count."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa
import pyarrow.types as pt

from sluice.values import Option, parse_flag

CASE = Option(
    name="readerCaseSensitive",
    default="true",
    meaning="false: a field is found by its name in any case, at every level. Of "
    "several the one that is spelled as the column counts, else the first; the others "
    "are rescued, as with true all are",
    parse=parse_flag,
    field="case_sensitive",
)


def recased(names: Iterable[str], known: Collection[str]) -> list[str]:
    """Return ``names``, those of ``known`` in another case as it spells them."""
    given = list(names)
    exact = set(given)
    missing = {name.lower(): name for name in known if name not in exact}
    return [
        name if name in known else missing.pop(name.lower(), name) for name in given
    ]


def recased_fields(
    fields: Iterable[pa.Field], known: Iterable[pa.Field]
) -> list[pa.Field]:
    """Return fields, at every level those that ``known`` spells otherwise as there."""
    given = list(fields)
    kinds = {field.name: field.type for field in known}
    names = recased((field.name for field in given), kinds)
    return [
        pa.field(name, _recased_type(field.type, kinds.get(name)))
        for name, field in zip(names, given, strict=True)
    ]


def _recased_type(kind: pa.DataType, known: pa.DataType | None) -> pa.DataType:
    if known is None:
        return kind
    if pt.is_struct(kind) and pt.is_struct(known):
        return pa.struct(recased_fields(kind, known))
    if pt.is_list(kind) and pt.is_list(known):
        element = _recased_type(kind.value_type, known.value_type)
        return pa.list_(kind.value_field.with_type(element))
    if pt.is_map(kind) and pt.is_map(known):
        item = _recased_type(kind.item_type, known.item_type)
        return pa.map_(kind.key_type, kind.item_field.with_type(item))
    return kind
