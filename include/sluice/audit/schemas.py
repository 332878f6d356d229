"""Read the kept schemas beside the table: fields, and rescued values that would fit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.types as pt
from deltalake import DeltaTable

from sluice.columns import (
    ADDED_BY_BRONZE,
    METADATA,
    PROCESSING_TIME,
    RESCUED_DATA,
    SOURCE_FILE,
)
from sluice.config import PipelineConfig
from sluice.delta.copies import Part, can_query, query_part, quoted
from sluice.delta.tables import query_table
from sluice.options.configured import source_options
from sluice.reading.names import children, has_field
from sluice.rules.facts import RescuedField, SchemaFacts
from sluice.schema.kept import FieldPath, SchemaVersion, kept_at, list_versions
from sluice.schema.undo import lacking_fields

_OWN = ADDED_BY_BRONZE | {METADATA, RESCUED_DATA}
# A few rows of each file say what it has; a look at all would parse the table.
_ROWS_OF_FILE, _ROWS = 5, 2000


@dataclass(frozen=True)
class _LateField:
    """A field of the newest schema that came with a version behind the first."""

    path: FieldPath
    version: int
    since: datetime


def read_schema(config: PipelineConfig, table: DeltaTable) -> SchemaFacts | None:
    """Return what kept schemas and a table say; None where none is kept.

    Raises:
        FatalError: a version cannot be read.
    """
    versions = list_versions(config.schema_location)
    if not versions:
        return None
    newest = versions[-1]
    columns = [each for each in pa.schema(table.schema()) if not _is_own(each.name)]
    undone = [path for path in newest.undone if has_field(columns, path)]
    return SchemaFacts(
        newest=newest.number,
        fields=tuple(_names(_fields(newest))),
        ever=frozenset(name for each in versions for name in _names(_fields(each))),
        table=tuple(_names(columns)),
        undone=_count_undone(table, columns, undone),
        rescued=tuple(_find_rescued(config, table, versions)),
    )


def _is_own(name: str) -> bool:
    return name.lower() in _OWN


def _fields(version: SchemaVersion) -> list[pa.Field]:
    return [each for each in version.fields if not _is_own(each.name)]


def _names(fields: Iterable[pa.Field], inside: str = "") -> Iterator[str]:
    for each in fields:
        yield inside + each.name
        yield from _names(children(each.type), f"{inside}{each.name}.")


def _count_undone(
    table: DeltaTable, columns: Sequence[pa.Field], undone: Sequence[FieldPath]
) -> dict[str, int]:
    """Count the rows with values of undone fields.

    Not in arrays and maps, and of a table that delta-rs does not read in columns alone
    that are not nested.
    """
    kinds = {each.name: each.type for each in columns}
    flat = [path for path in undone if not pt.is_nested(kinds[path[0]])]
    rest = [path for path in undone if path not in flat and can_query(table)]
    inner = [path for path in rest if _is_in_structs(kinds[path[0]], path[1:])]
    found: dict[str, int] = {}
    if flat:
        part = Part(columns=[name for (name,) in flat])
        found |= _named(flat, query_part(table, _counts_sql(flat, "part"), part))
    if inner:
        found |= _named(inner, query_table(table, _counts_sql(inner, "t")))
    return {name: count for name, count in found.items() if count}


def _counts_sql(paths: Sequence[FieldPath], rows: str) -> str:
    counts = (f"count({_place(path)}) as c{n}" for n, path in enumerate(paths))
    return f"select {', '.join(counts)} from {rows}"


def _named(paths: Sequence[FieldPath], counts: pa.Table) -> dict[str, int]:
    (row,) = counts.to_pylist()
    return dict(zip(map(".".join, paths), row.values(), strict=True))


def _is_in_structs(kind: pa.DataType, path: Sequence[str]) -> bool:
    if not path:
        return True
    if not pt.is_struct(kind):
        return False
    return _is_in_structs(kind.field(path[0]).type, path[1:])


def _place(path: FieldPath) -> str:
    name, *inner = path
    rest = "".join("['" + each.replace("'", "''") + "']" for each in inner)
    return quoted(name) + rest


def _find_rescued(
    config: PipelineConfig, table: DeltaTable, versions: Sequence[SchemaVersion]
) -> Iterator[RescuedField]:
    """Yield the late fields of which older rows have rescued values that would fit."""
    late = list(_late_fields(config.schema_location, versions))
    known = {each.name for each in table.schema().fields}
    if not late or not {RESCUED_DATA, SOURCE_FILE, PROCESSING_TIME} <= known:
        return
    kinds = {each.name: each.type for each in _fields(versions[-1])}
    given = source_options(config).format
    found: dict[_LateField, dict[str, None]] = {}
    part = Part(
        columns=[SOURCE_FILE, RESCUED_DATA, PROCESSING_TIME],
        where=f"{RESCUED_DATA} is not null",
    )
    for row in query_part(table, _texts_sql(late), part).to_pylist():
        values = _rescued_values(row["text"])
        for each in late:
            name = each.path[0]
            if name not in values or row["at"] >= each.since:
                continue
            value = given.read_rescued(values[name], kinds[name])
            if _has_value(value, kinds[name], each.path[1:]):
                found.setdefault(each, {})[row["path"]] = None
    for each, paths in found.items():
        yield RescuedField(".".join(each.path), each.version, tuple(paths))


def _late_fields(
    location: str, versions: Sequence[SchemaVersion]
) -> Iterator[_LateField]:
    """Yield each field of the newest version with the one that it came with last."""
    newest = _fields(versions[-1])
    since: dict[FieldPath, int] = {}
    for before, version in pairwise(versions):
        for path in lacking_fields(_fields(before), _fields(version)):
            since[path] = version.number
    folders = {(name,) for name in versions[-1].partition_columns}
    for path, number in since.items():
        moment = kept_at(location, number)
        if has_field(newest, path) and path not in folders and moment is not None:
            yield _LateField(path, number, moment)


def _texts_sql(late: Sequence[_LateField]) -> str:
    """Return the query for some rescued data of rows older than a late field."""
    named = " or ".join(
        f"strpos({quoted(RESCUED_DATA)}, '{_literal(name)}') > 0"
        for name in sorted({each.path[0] for each in late})
    )
    until = max(each.since for each in late).isoformat()
    return (
        f"select {SOURCE_FILE} as path, {RESCUED_DATA} as text, "
        f"{PROCESSING_TIME} as at from ("
        f"select {SOURCE_FILE}, {RESCUED_DATA}, {PROCESSING_TIME}, row_number() over "
        f"(partition by {SOURCE_FILE}) as n from part "
        f"where {PROCESSING_TIME} < to_timestamp('{until}') and ({named})"
        f") where n <= {_ROWS_OF_FILE} limit {_ROWS}"
    )


def _literal(name: str) -> str:
    return json.dumps(name, ensure_ascii=False).replace("'", "''")


def _rescued_values(text: str) -> Mapping[str, msgspec.Raw]:
    """Return what a row has rescued; nothing where another writer wrote the text."""
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        return {}


def _has_value(value: object, kind: pa.DataType, path: Sequence[str]) -> bool:
    """Return True if a path leads to a value; a map has keys that came twice."""
    if value is None or pt.is_map(kind):
        return False
    if pt.is_list(kind) and isinstance(value, list):
        return any(_has_value(each, kind.value_type, path) for each in value)
    if pt.is_struct(kind) and isinstance(value, dict):
        name, *rest = path or ("",)
        kinds = {each.name: each.type for each in kind}
        wanted = [name] if name else list(kinds)
        return any(_has_value(value.get(each), kinds[each], rest) for each in wanted)
    return True
