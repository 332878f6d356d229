"""Undo what an evolution added to a schema: pure, so that the rules can be tested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.types as pt
from pyspark.sql.pandas.types import from_arrow_schema

from sluice.errors import Condition, UsageError
from sluice.reading.names import children, dead_paths
from sluice.reading.new_fields import add_fields
from sluice.schema.kept import FieldPath, SchemaVersion


@dataclass(frozen=True, kw_only=True)
class Undo:
    """What it is to have the fields of version ``to`` again.

    - ``version``: the one to keep, or the newest where that has just these fields;
    - ``is_new``: whether it is still to be kept;
    - ``removed``, ``returned``: the paths of fields that go and come.
    """

    to: int
    version: SchemaVersion
    is_new: bool = False
    removed: tuple[FieldPath, ...] = ()
    returned: tuple[FieldPath, ...] = ()


def plan_undo(
    versions: Sequence[SchemaVersion], to: int | None = None, *, run_id: str
) -> Undo:
    """Return the version behind ``versions`` that has the fields of version ``to``.

    That is the one before the newest by default; of an undo the one that it went to, so
    repeating it changes nothing. Fields that both have keep the types of the newest.

    Raises:
        UsageError: there is no such version.
    """
    newest = versions[-1]
    target = _find(versions, _default(versions) if to is None else to)
    now, then = newest.fields, target.fields
    after = add_fields(_shared(now, then), then)
    removed = tuple(lacking_fields(then, now))
    undone = dead_paths(dict.fromkeys((*newest.undone, *removed)), after)
    if after == now and undone == newest.undone:
        return Undo(to=target.number, version=newest)
    version = replace(
        newest,
        number=newest.number + 1,
        schema=from_arrow_schema(pa.schema(after)),
        added={},
        widened={},
        run_id=run_id,
        undone=undone,
        undone_to=target.number,
    )
    returned = tuple(lacking_fields(now, after))
    return Undo(
        to=target.number,
        version=version,
        is_new=True,
        removed=removed,
        returned=returned,
    )


def _default(versions: Sequence[SchemaVersion]) -> int:
    newest = versions[-1]
    if newest.undone_to is not None:
        return newest.undone_to
    return versions[max(len(versions) - 2, 0)].number


def _find(versions: Iterable[SchemaVersion], number: int) -> SchemaVersion:
    known = {each.number: each for each in versions}
    if number not in known:
        raise UsageError(
            Condition.USAGE,
            f"undo: there is no schema version {number}; expected one of "
            f"{sorted(known)}, as 'sluice schema' shows them",
            {"version": number},
        )
    return known[number]


def _shared(fields: Iterable[pa.Field], others: Iterable[pa.Field]) -> list[pa.Field]:
    """Return the fields that both have, at every level, in the types of the first."""
    kinds = {each.name: each.type for each in others}
    return [
        each.with_type(_shared_type(each.type, kinds[each.name]))
        for each in fields
        if each.name in kinds
    ]


def _shared_type(kind: pa.DataType, other: pa.DataType) -> pa.DataType:
    if pt.is_struct(kind) and pt.is_struct(other):
        return pa.struct(_shared(kind, other))
    if pt.is_map(kind) and pt.is_map(other):
        return pa.map_(kind.key_type, _shared_type(kind.item_type, other.item_type))
    if pt.is_list(kind) and pt.is_list(other):
        element = _shared_type(kind.value_type, other.value_type)
        return pa.list_(kind.value_field.with_type(element))
    return kind


def lacking_fields(
    known: Iterable[pa.Field], fields: Iterable[pa.Field]
) -> Iterator[FieldPath]:
    """Yield the paths of ``fields`` that ``known`` lacks."""
    kinds = {each.name: each.type for each in known}
    for each in fields:
        if each.name not in kinds:
            yield (each.name,)
            continue
        for path in lacking_fields(children(kinds[each.name]), children(each.type)):
            yield (each.name, *path)
