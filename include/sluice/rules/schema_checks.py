"""Checks of kept schemas against the table: which field is where, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sluice.model import Finding
from sluice.rules.facts import AuditFacts, SchemaFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding

_SHOWN = 5


def check_schema(facts: AuditFacts) -> Iterator[Finding]:
    """Yield what an inferred schema and its table do not share, and what is rescued."""
    if facts.schema_damage is not None:
        yield finding(
            Code.SCHEMA_UNREADABLE, facts.pipeline, "schema", facts.schema_damage
        )
    if facts.schema is not None:
        yield from _check_fields(facts.pipeline, facts.schema)
        yield from _check_rescued(facts.pipeline, facts.schema)


def _check_fields(pipeline: str, schema: SchemaFacts) -> Iterator[Finding]:
    table = _lower(schema.table)
    version = f"schema version {schema.newest}"
    unwritten = [name for name in schema.fields if name.lower() not in table]
    if unwritten:
        evidence = f"fields {_named(unwritten)} are not in the table"
        yield finding(Code.SCHEMA_UNUSED, pipeline, version, evidence)
    ever = _lower(schema.ever)
    unknown = [name for name in schema.table if name.lower() not in ever]
    if unknown:
        evidence = f"columns {_named(unknown)} are in no schema version"
        yield finding(Code.COLUMN_UNKNOWN, pipeline, "bronze", evidence)
    if schema.undone:
        rows = ", ".join(f"{name!r} in {n} rows" for name, n in schema.undone.items())
        evidence = f"fields that were undone have values: {rows}"
        yield finding(Code.UNDO_UNFINISHED, pipeline, str(schema.newest), evidence)


def _check_rescued(pipeline: str, schema: SchemaFacts) -> Iterator[Finding]:
    for each in schema.rescued:
        evidence = (
            f"{len(each.paths)} files or more have values of {each.field!r}, which is "
            f"in the schema since version {each.version}, such as {each.paths[0]!r}"
        )
        yield finding(Code.RESCUED_READABLE, pipeline, each.field, evidence)


def _lower(names: Iterable[str]) -> set[str]:
    return {name.lower() for name in names}


def _named(names: list[str]) -> str:
    return f"{names[:_SHOWN]}{' …' if names[_SHOWN:] else ''}"
