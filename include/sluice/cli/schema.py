"""``sluice schema``: the columns that files are read with, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.output import JsonOption, PipelineArgument, print_json, print_rows
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError

if TYPE_CHECKING:
    from sluice.schema.kept import SchemaVersion


def schema(
    pipeline: PipelineArgument,
    *,
    number: Annotated[
        int | None, typer.Option("--version", help="This version, not the newest.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the inferred schema: its fields, since which version, by which file.

    Version and file are those that gave a field its type.
    """
    from sluice.schema.kept import list_versions  # noqa: PLC0415 - loads pyspark

    config = load_pipeline(pipeline)
    if config.bronze.source.ddl is not None:
        raise UsageError(
            Condition.USAGE,
            f"pipeline {config.name!r} declares its schema in bronze.source.schema, so "
            "none is inferred",
        )
    versions = [
        each
        for each in list_versions(config.schema_location)
        if number is None or each.number <= number
    ]
    if as_json:
        print_json([_to_json(each) for each in versions])
        return
    shown = f"version {versions[-1].number}" if versions else "no version"
    print_rows(f"Schema of {config.name}, {shown}", list(_rows(versions)))


def _to_json(version: SchemaVersion) -> dict[str, object]:
    return asdict(version) | {"schema": version.schema.jsonValue()}


def _rows(versions: list[SchemaVersion]) -> Iterator[dict[str, object]]:
    """Yield a row for each field of the last version; a nested one behind its own."""
    if not versions:
        return
    fields = versions[-1].schema
    came = {
        name: (each.number, path)
        for each in versions
        for name, path in [*each.added.items(), *each.widened.items()]
    }
    nested = sorted(came.keys() - set(fields.names))
    for field in fields:
        inner = [name for name in nested if name.startswith(f"{field.name}.")]
        for name in (field.name, *inner):
            since, path = came.get(name, (versions[0].number, None))
            kind = field.dataType.simpleString() if name == field.name else None
            yield {"field": name, "type": kind, "version": since, "came with": path}
