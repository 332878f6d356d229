"""What each version of a schema changed: pure, so that it can be tested."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_type

from sluice.reading.names import children
from sluice.reading.new_fields import list_new
from sluice.reading.widening import list_widened
from sluice.schema.kept import SchemaVersion


class ChangeKind(StrEnum):
    """What became of a field."""

    ADDED = "added"
    WIDER = "wider"
    UNDONE = "undone"
    RETURNED = "back"


@dataclass(frozen=True, kw_only=True)
class Change:
    """A field that ``version`` has otherwise than the version before.

    - ``field``: its name, ``a.b`` where it is nested;
    - ``type``: as SQL writes it, of a wider one both;
    - ``came_with``: the file, or the option of hints; None of an undo.
    """

    version: int
    change: ChangeKind
    field: str
    type: str
    came_with: str | None


def list_changes(versions: Sequence[SchemaVersion]) -> Iterator[Change]:
    """Yield what each version but the first changed, in order."""
    for before, after in pairwise(versions):
        yield from _changes(before, after)


def _changes(before: SchemaVersion, after: SchemaVersion) -> Iterator[Change]:
    old, new = before.fields, after.fields
    was, now = dict(_types(old)), dict(_types(new))
    number = after.number
    is_undo = after.undone_to is not None
    for name in list_new(old, new):
        kind = ChangeKind.RETURNED if is_undo else ChangeKind.ADDED
        came_with = after.added.get(name)
        yield _change(number, kind, name, now[name], came_with)
    for name in list_widened(old, new):
        both = f"{was[name]} → {now[name]}"
        yield _change(number, ChangeKind.WIDER, name, both, after.widened.get(name))
    for name in list_new(new, old):
        yield _change(number, ChangeKind.UNDONE, name, was[name], None)


def _change(
    version: int, kind: ChangeKind, name: str, shown: str, came_with: str | None
) -> Change:
    return Change(
        version=version, change=kind, field=name, type=shown, came_with=came_with
    )


def _types(fields: Iterable[pa.Field], inside: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and type of each field, and of those in it."""
    for field in fields:
        name = inside + field.name
        yield name, from_arrow_type(field.type).simpleString()
        yield from _types(children(field.type), f"{name}.")
