"""Lay the types of ``cloudFiles.schemaHints`` over a schema."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.types as pt

from sluice.errors import Condition, UsageError
from sluice.formats.json_variants import is_variant
from sluice.options.hints import ELEMENT, KEY, VALUE, SchemaHint


def apply_hints(
    fields: Iterable[pa.Field], hints: Iterable[SchemaHint]
) -> list[pa.Field]:
    """Return fields with the types that hints say; those that lack come last.

    Names are found in any case.

    Raises:
        UsageError: a hint leads into a field that holds nothing.
    """
    hinted = list(fields)
    for hint in hints:
        hinted = _lay(hinted, hint, hint.path)
    return hinted


def _lay(
    fields: list[pa.Field], hint: SchemaHint, path: tuple[str, ...]
) -> list[pa.Field]:
    name, *rest = path
    known = [each.name for each in fields]
    at = next((i for i, each in enumerate(known) if each.lower() == name.lower()), None)
    before = pa.field(name, pa.null()) if at is None else fields[at]
    after = before.with_type(_hinted(before.type, hint, tuple(rest)))
    return [*fields, after] if at is None else [*fields[:at], after, *fields[at + 1 :]]


def _hinted(kind: pa.DataType, hint: SchemaHint, path: tuple[str, ...]) -> pa.DataType:
    """Return a type in which what ``path`` leads to has the hint's type."""
    if not path:
        return hint.kind
    step, rest = path[0].lower(), path[1:]
    if pt.is_null(kind) and step in {ELEMENT, KEY, VALUE}:
        kind = pa.list_(pa.field(ELEMENT, kind)) if step == ELEMENT else _MAP
    if pt.is_list(kind) and step == ELEMENT:
        element = kind.value_field
        return pa.list_(element.with_type(_hinted(element.type, hint, rest)))
    if pt.is_map(kind) and step == KEY:
        return pa.map_(_hinted(kind.key_type, hint, rest), kind.item_type)
    if pt.is_map(kind) and step == VALUE:
        return pa.map_(kind.key_type, _hinted(kind.item_type, hint, rest))
    if (pt.is_struct(kind) and not is_variant(kind)) or pt.is_null(kind):
        inner = list(kind) if pt.is_struct(kind) else []
        return pa.struct(_lay(inner, hint, path))
    raise UsageError(
        Condition.OPTION_INVALID,
        f"cloudFiles: option 'cloudFiles.schemaHints' names {hint.name!r}, and what is "
        f"around {path[0]!r} is inferred as {kind}; hint the whole of that, or set "
        "cloudFiles.inferColumnTypes to true",
        {"hint": hint.name},
    )


_MAP = pa.map_(pa.string(), pa.string())
