"""Which types columns widen to: pure, so that the rules can be read and tested.

They are Auto Loader's, and each of them is one that a Delta table can follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce

import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.base import Format, ParsedBlock
from sluice.reading.names import children

# What integers of up to 32 bits, and of 64, have as digits; Delta asks for so many.
_SHORT_BITS, _SHORT_DIGITS, _LONG_DIGITS, _MOST_DIGITS = 32, 10, 20, 38

Widen = Callable[[pa.DataType, pa.DataType], pa.DataType]
"""Return the type that the first one becomes where values of the other come."""


def widened(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Return the type to which a column widens; ``known`` where it has no wider one.

    A double stands for integers of up to 32 bits, never for longer ones.
    """
    if _is_short(known) and pt.is_floating(found):
        return pa.float64()
    return widened_exactly(known, found)


def widened_exactly(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Return the same, but never a double for integers."""
    if pt.is_decimal(known) or pt.is_decimal(found):
        return _wider_decimal(known, found)
    if pt.is_signed_integer(known) and pt.is_signed_integer(found):
        return found if found.bit_width > known.bit_width else known
    if pt.is_float32(known) and pt.is_float64(found):
        return found
    is_naive = pt.is_timestamp(found) and found.tz is None
    return found if pt.is_date32(known) and is_naive else known


def _is_short(kind: pa.DataType) -> bool:
    return bool(pt.is_signed_integer(kind) and kind.bit_width <= _SHORT_BITS)


def _wider_decimal(known: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Return a decimal with the digits of both before the point, and behind it."""
    one, other = _digits(known), _digits(found)
    if one is None or other is None:
        return known
    scale = max(one[1], other[1])
    precision = max(one[0], other[0]) + scale
    return pa.decimal128(precision, scale) if precision <= _MOST_DIGITS else known


def _digits(kind: pa.DataType) -> tuple[int, int] | None:
    """Return how many digits are before the point and behind it; None for doubles."""
    if pt.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    if pt.is_signed_integer(kind):
        return _SHORT_DIGITS if _is_short(kind) else _LONG_DIGITS, 0
    return None


def can_widen(fields: Iterable[pa.Field]) -> bool:
    """Return True if a field, at any level, has a type with wider ones."""
    return any(_has_wider(leaf) for field in fields for leaf in _leaves(field.type))


def can_round(fields: Iterable[pa.Field]) -> bool:
    """Return True if a field, at any level, has a type that becomes a double."""
    return any(_is_short(leaf) for field in fields for leaf in _leaves(field.type))


def _has_wider(kind: pa.DataType) -> bool:
    is_other = pt.is_signed_integer(kind) or pt.is_float32(kind) or pt.is_date32(kind)
    return bool(is_other or pt.is_decimal(kind))


def _leaves(kind: pa.DataType) -> Iterator[pa.DataType]:
    inner = innermost(kind)
    if not pt.is_struct(inner):
        yield inner
    for field in children(kind):
        yield from _leaves(field.type)


def innermost(kind: pa.DataType) -> pa.DataType:
    """Return what lists and maps hold at last; a struct where it is one."""
    if pt.is_map(kind):
        return innermost(kind.item_type)
    return innermost(kind.value_type) if pt.is_list(kind) else kind


def widen_fields(
    known: Iterable[pa.Field], found: Iterable[pa.Field], widen: Widen = widened
) -> list[pa.Field]:
    """Return the fields of ``known`` with the types that those of ``found`` ask for.

    None is added, at any level.
    """
    kinds = {field.name: field.type for field in found}
    return [
        field.with_type(_widened(field.type, kinds[field.name], widen))
        if field.name in kinds
        else field
        for field in known
    ]


def _widened(known: pa.DataType, found: pa.DataType, widen: Widen) -> pa.DataType:
    if pt.is_struct(known) and pt.is_struct(found):
        return pa.struct(widen_fields(known, found, widen))
    if pt.is_map(known) and (pt.is_struct(found) or pt.is_map(found)):
        # In a record a map looks like a struct.
        inner = [found.item_type] if pt.is_map(found) else [each.type for each in found]
        item = reduce(
            lambda kind, each: _widened(kind, each, widen), inner, known.item_type
        )
        return pa.map_(known.key_type, known.item_field.with_type(item))
    if pt.is_list(known) and pt.is_list(found):
        element = known.value_field
        return pa.list_(
            element.with_type(_widened(element.type, found.value_type, widen))
        )
    return known if pt.is_nested(known) else widen(known, found)


def list_widened(
    known: Iterable[pa.Field], wider: Iterable[pa.Field], *, inside: str = ""
) -> Iterator[str]:
    """Yield the names of fields that ``wider`` has in another type; ``a.b`` if nested.

    What is in a list or a map is called as the field that has it.
    """
    before = {field.name: field for field in known}
    for field in wider:
        mine = before.get(field.name)
        if mine is None or mine.type == field.type:
            continue
        name = inside + field.name
        now = innermost(field.type)
        if not pt.is_struct(now) and innermost(mine.type) != now:
            yield name
        yield from list_widened(
            children(mine.type), children(field.type), inside=f"{name}."
        )


def first_wider(
    parsed: ParsedBlock,
    columns: pa.Schema,
    source_format: Format,
    widen: Widen = widened,
) -> list[pa.Field] | None:
    """Return ``columns`` as wide as the first record asks that asks for any, else None.

    Only what was rescued can be too wide.
    """
    names = {field.name for field in columns if can_widen([field])}
    for record in parsed.records or () if names else ():
        texts = {name: raw for name, raw in record.rescued.items() if name in names}
        if not texts:
            continue
        found = parsed.kinds or source_format.types_of_rescued(texts)
        asked = (field for field in found if field.name in texts)
        wider = widen_fields(columns, asked, widen)
        if wider != list(columns):
            return wider
    return None
