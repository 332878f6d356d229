"""What landed records add to a schema: pure, so that the rules can be tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from functools import partial, reduce

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.base import ParsedBlock
from sluice.formats.json_infer import Rules, decode_records, infer_schema
from sluice.formats.json_variants import is_variant
from sluice.reading.names import children


class NewFieldsError(Exception):
    """A file has fields that the schema lacks: ``fields`` are those of both.

    It ends the reading of a task, where the schema is then evolved.
    """

    def __init__(self, path: str, fields: list[pa.Field]) -> None:
        super().__init__(path, fields)
        self.path = path
        self.fields = fields


def add_fields(
    known: Iterable[pa.Field],
    found: Iterable[pa.Field],
    *,
    taken: Set[str] = frozenset(),
) -> list[pa.Field]:
    """Return the fields of ``known``, and behind them those that only ``found`` has.

    A field keeps its type, but for a struct, which may get fields in the same way. A
    name that is there already in another case, or ``taken``, is none that is new; of a
    nested field ``a.b`` is.
    """
    fields = {field.name: field for field in known}
    cased = {name.lower() for name in fields} | {name.lower() for name in taken}
    for field in found:
        mine = fields.get(field.name)
        if mine is not None:
            inside = _inside(taken, field.name)
            fields[field.name] = mine.with_type(_grown(mine.type, field.type, inside))
        elif field.name.lower() not in cased:
            fields[field.name] = field
            cased.add(field.name.lower())
    return list(fields.values())


def _inside(taken: Set[str], name: str) -> Set[str]:
    outer = f"{name}.".lower()
    return {each[len(outer) :] for each in taken if each.lower().startswith(outer)}


def _grown(
    known: pa.DataType, found: pa.DataType, taken: Set[str] = frozenset()
) -> pa.DataType:
    if is_variant(known):
        return known
    if pt.is_struct(known) and pt.is_struct(found):
        return pa.struct(add_fields(known, found, taken=taken))
    if pt.is_map(known) and (pt.is_struct(found) or pt.is_map(found)):
        # In a record a map looks like a struct.
        values = (
            [found.item_type] if pt.is_map(found) else [each.type for each in found]
        )
        grow = partial(_grown, taken=taken)
        return pa.map_(known.key_type, reduce(grow, values, known.item_type))
    if pt.is_list(known) and pt.is_list(found):
        element = known.value_field
        kind = _grown(element.type, found.value_type, taken)
        return pa.list_(element.with_type(kind))
    return known


def only_new(
    known: Iterable[pa.Field], found: Iterable[pa.Field]
) -> Iterator[pa.Field]:
    """Yield what ``found`` has and ``known`` lacks, nested as it is found."""
    fields = {field.name: field for field in known}
    for field in found:
        mine = fields.get(field.name)
        kind = field.type if mine is None else _new_part(mine.type, field.type)
        if kind is not None:
            yield field.with_type(kind)


def _new_part(known: pa.DataType, found: pa.DataType) -> pa.DataType | None:
    if is_variant(known):
        return None
    if pt.is_map(known) and pt.is_struct(found):
        parts = [(each, _new_part(known.item_type, each.type)) for each in found]
        fields = [each.with_type(kind) for each, kind in parts if kind is not None]
        return pa.struct(fields) if fields else None
    if pt.is_struct(known) and pt.is_struct(found):
        fields = list(only_new(known, found))
        return pa.struct(fields) if fields else None
    if pt.is_map(known) and pt.is_map(found):
        kind = _new_part(known.item_type, found.item_type)
        return None if kind is None else pa.map_(found.key_type, kind)
    if pt.is_list(known) and pt.is_list(found):
        kind = _new_part(known.value_type, found.value_type)
        return None if kind is None else pa.list_(found.value_field.with_type(kind))
    return None


def list_new(
    known: Iterable[pa.Field], grown: Iterable[pa.Field], *, inside: str = ""
) -> Iterator[str]:
    """Yield the names of fields that only ``grown`` has; a nested one is ``a.b``."""
    before = {field.name: field for field in known}
    for field in grown:
        mine = before.get(field.name)
        if mine is None:
            yield inside + field.name
        elif mine.type != field.type:
            name = f"{inside}{field.name}."
            yield from list_new(children(mine.type), children(field.type), inside=name)


def first_new(
    parsed: ParsedBlock,
    columns: pa.Schema,
    *,
    taken: Set[str],
    typed: bool,
    choose: Callable[[Iterable[pa.Field]], Iterable[pa.Field]] = iter,
) -> list[pa.Field] | None:
    """Return ``columns`` with what the first record adds that adds any, else None.

    Only what was rescued can be new. ``typed`` says if types are inferred,
    ``choose`` which fields may be columns.
    """
    nested = {field.name for field in columns if children(field.type)}
    rules = Rules(typed=typed)
    for record in parsed.records or ():
        fields = {
            name: raw
            for name, raw in record.rescued.items()
            if (name in record.new_fields and name.lower() not in taken)
            or name in nested
        }
        if not fields:
            continue
        text = msgspec.json.encode(fields)
        found = infer_schema(decode_records([text], rules), rules)
        grown = add_fields(columns, choose(found), taken=taken)
        if grown != list(columns):
            return grown
    return None
