"""``sluice schema``: the columns that files are read with, and where they came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.output import (
    JsonOption,
    PipelineArgument,
    print_json,
    print_line,
    print_rows,
)
from sluice.cli.undo import undo
from sluice.config import PipelineConfig, load_pipeline
from sluice.errors import Condition, UsageError

if TYPE_CHECKING:
    from sluice.schema.kept import SchemaVersion


class Action(StrEnum):
    """What may be done to a schema."""

    UNDO = "undo"


def schema(  # noqa: PLR0913 - one parameter an option
    pipeline: PipelineArgument,
    action: Annotated[
        Action | None,
        typer.Argument(help="undo: give the schema the fields of an earlier version."),
    ] = None,
    *,
    number: Annotated[
        int | None, typer.Option("--version", help="Show this version, not the newest.")
    ] = None,
    to: Annotated[
        int | None,
        typer.Option(help="undo: to the fields of this version, not the one before."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="undo: look and count; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="undo: do not ask first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the inferred schema: its fields, since which version, by which file.

    Version and file are those that gave a field its type.

    With undo its newest fields leave it: they are rescued from then on, and what their
    columns held is in the rescued data, by one commit. On a terminal it asks first.
    """
    config = load_pipeline(pipeline)
    if config.bronze.source.ddl is not None:
        raise UsageError(
            Condition.USAGE,
            f"pipeline {config.name!r} declares its schema in bronze.source.schema, so "
            "none is inferred",
        )
    if action is Action.UNDO and number is None:
        undo(config, to=to, dry_run=dry_run, yes=yes, as_json=as_json)
    elif action is None and not (to is not None or dry_run or yes):
        _show(config, number, as_json=as_json)
    else:
        raise UsageError(
            Condition.USAGE,
            "schema: --to, --dry-run and --yes go with undo, and --version without it; "
            f"expected one such as 'sluice schema {config.called} undo --to 0'",
        )


def _show(config: PipelineConfig, number: int | None, *, as_json: bool) -> None:
    from sluice.schema.kept import list_versions  # noqa: PLC0415 - loads pyspark

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
    undone = [".".join(path) for each in versions[-1:] for path in each.undone]
    if undone:
        print_line(f"undone, so rescued: {', '.join(undone)}")


def _to_json(version: SchemaVersion) -> dict[str, object]:
    return asdict(version) | {"schema": version.schema.jsonValue()}


def _rows(versions: list[SchemaVersion]) -> Iterator[dict[str, object]]:
    """Yield a row for each field of the last version; a nested one behind its own."""
    if not versions:
        return
    fields = versions[-1].schema
    undone = versions[-1].undone_names
    came = {
        name: (each.number, path)
        for each in versions
        for name, path in [*each.added.items(), *each.widened.items()]
        if name.lower() not in undone
    }
    nested = sorted(came.keys() - set(fields.names))
    for field in fields:
        inner = [name for name in nested if name.startswith(f"{field.name}.")]
        for name in (field.name, *inner):
            since, path = came.get(name, (versions[0].number, None))
            kind = field.dataType.simpleString() if name == field.name else None
            yield {"field": name, "type": kind, "version": since, "came with": path}
