"""Names of fields that a Delta table takes: pure, so that the rules can be tested."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.json_variants import is_variant

# A table takes names with these by delta.columnMapping.mode alone.
_ODD = frozenset(" ,;{}()\n\t=")
_Choice = Callable[[Iterable[pa.Field]], list[pa.Field]]


def distinct_fields(fields: Iterable[pa.Field]) -> list[pa.Field]:
    """Return fields at every level, of those that differ in case only the first."""
    return _chosen(fields, _first_of_each)


def plain_fields(fields: Iterable[pa.Field]) -> list[pa.Field]:
    """Return fields at every level without those of odd names."""
    return _chosen(fields, _plain)


def short_fields(fields: Iterable[pa.Field], most: int) -> list[pa.Field]:
    """Return fields at every level without those of more than ``most`` characters."""
    return _chosen(
        fields, lambda given: [each for each in given if len(each.name) <= most]
    )


def odd_names(fields: Iterable[pa.Field], *, inside: str = "") -> Iterator[str]:
    """Yield names that a table takes with column mapping alone; nested ones ``a.b``."""
    for field in fields:
        if _is_odd(field.name):
            yield inside + field.name
        yield from odd_names(children(field.type), inside=f"{inside}{field.name}.")


def children(kind: pa.DataType) -> list[pa.Field]:
    """Return the fields of a struct, and of the structs that a list or a map holds."""
    if is_variant(kind):
        return []
    if pt.is_struct(kind):
        return list(kind)
    if pt.is_map(kind):
        return children(kind.item_type)
    return children(kind.value_type) if pt.is_list(kind) else []


def has_field(fields: Iterable[pa.Field], path: Sequence[str]) -> bool:
    """Return True if a path of names leads to one of ``fields``, or into one."""
    name, *rest = path
    found = next((each for each in fields if each.name == name), None)
    return found is not None and (not rest or has_field(children(found.type), rest))


def dead_paths(
    paths: Iterable[tuple[str, ...]], fields: Iterable[pa.Field]
) -> tuple[tuple[str, ...], ...]:
    """Return the ``paths`` that lead to none of ``fields``, in whatever case.

    A table has one column for names that differ in case only.
    """
    alive = set(_paths(fields))
    return tuple(path for path in paths if tuple(map(str.lower, path)) not in alive)


def _paths(fields: Iterable[pa.Field]) -> Iterator[tuple[str, ...]]:
    for field in fields:
        name = field.name.lower()
        yield (name,)
        yield from ((name, *rest) for rest in _paths(children(field.type)))


def without_fields(
    fields: Iterable[pa.Field], paths: Collection[Sequence[str]]
) -> list[pa.Field]:
    """Return fields at every level, but for those that ``paths`` lead to."""
    rest = [
        (each, [path[1:] for path in paths if path[0] == each.name]) for each in fields
    ]
    return [
        each.with_type(_without(each.type, inner)) if inner else each
        for each, inner in rest
        if () not in map(tuple, inner)
    ]


def _without(kind: pa.DataType, paths: list[Sequence[str]]) -> pa.DataType:
    if pt.is_struct(kind):
        return pa.struct(without_fields(kind, paths))
    if pt.is_map(kind):
        return pa.map_(kind.key_type, _without(kind.item_type, paths))
    if pt.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without(kind.value_type, paths)))
    return kind


def _chosen(fields: Iterable[pa.Field], choose: _Choice) -> list[pa.Field]:
    """Return the fields that ``choose`` keeps, without those that hold none of them."""
    kinds = [(field, _chosen_type(field.type, choose)) for field in choose(fields)]
    return [field.with_type(kind) for field, kind in kinds if kind is not None]


def _chosen_type(kind: pa.DataType, choose: _Choice) -> pa.DataType | None:
    if pt.is_struct(kind):
        fields = _chosen(kind, choose)
        return pa.struct(fields) if fields else None
    if pt.is_list(kind):
        element = _chosen_type(kind.value_type, choose)
        return element and pa.list_(kind.value_field.with_type(element))
    if pt.is_map(kind):
        item = _chosen_type(kind.item_type, choose)
        return item and pa.map_(kind.key_type, kind.item_field.with_type(item))
    return kind


def _first_of_each(fields: Iterable[pa.Field]) -> list[pa.Field]:
    found: dict[str, pa.Field] = {}
    for field in fields:
        found.setdefault(field.name.lower(), field)
    return list(found.values())


def _plain(fields: Iterable[pa.Field]) -> list[pa.Field]:
    return [field for field in fields if not _is_odd(field.name)]


def _is_odd(name: str) -> bool:
    return not _ODD.isdisjoint(name)
