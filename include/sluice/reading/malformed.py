"""Which records are malformed: pure, so that the rules can be tested."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.base import Record
from sluice.formats.json_variants import is_variant

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def why_malformed(
    record: Record, columns: pa.Schema, *, keeps_rescued: bool
) -> str | None:
    """Return why a record is malformed, None where it is not.

    One is that cannot be parsed, and one with a value that does not fit its column,
    unless a column ``keeps_rescued`` data. A field that the schema lacks is no reason.
    """
    if record.corrupt is not None:
        return "the record cannot be parsed"
    if keeps_rescued:
        return None
    misfits = [
        name
        for name, raw in record.rescued.items()
        if name not in record.new_fields and not _is_new(raw, columns, name)
    ]
    return f"values do not fit the columns {misfits}" if misfits else None


def _is_new(raw: msgspec.Raw, columns: pa.Schema, name: str) -> bool:
    known = name in columns.names
    return known and _has_only_new(bytes(raw), columns.field(name).type)


def _has_only_new(part: bytes, kind: pa.DataType) -> bool:
    """Return True if what was rescued of a value is nothing but fields it lacks."""
    if is_variant(kind):
        return False
    try:
        if pt.is_struct(kind):
            fields = {field.name: field.type for field in kind}
            inside = _OBJECT.decode(part).items()
            return _all_new(
                (raw, fields[name]) for name, raw in inside if name in fields
            )
        if pt.is_map(kind):
            return _all_new(
                (raw, kind.item_type) for raw in _OBJECT.decode(part).values()
            )
        if pt.is_list(kind):
            # A null stands for an element that fits.
            elements = (raw for raw in _ARRAY.decode(part) if bytes(raw) != b"null")
            return _all_new((raw, kind.value_type) for raw in elements)
    except msgspec.DecodeError:
        pass
    return False


def _all_new(parts: Iterable[tuple[msgspec.Raw, pa.DataType]]) -> bool:
    return all(_has_only_new(bytes(raw), kind) for raw, kind in parts)
