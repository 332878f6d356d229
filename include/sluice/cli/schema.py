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

    DIFF = "diff"
    UNDO = "undo"


def schema(  # noqa: PLR0913 - one parameter an option
    pipeline: PipelineArgument,
    action: Annotated[
        Action | None,
        typer.Argument(
            help="diff: show what each version changed. undo: give the schema the "
            "fields of an earlier version."
        ),
    ] = None,
    *,
    number: Annotated[
        int | None,
        typer.Option(
            "--version", help="Show this version, not the newest; diff: its changes."
        ),
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

    With diff it shows what each version added, widened, undid or brought back.

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
    elif action is not Action.UNDO and not (to is not None or dry_run or yes):
        show = _show_changes if action is Action.DIFF else _show
        show(config, number, as_json=as_json)
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


def _show_changes(config: PipelineConfig, number: int | None, *, as_json: bool) -> None:
    # They load pyspark.
    from sluice.schema.diff import list_changes  # noqa: PLC0415
    from sluice.schema.kept import list_versions  # noqa: PLC0415

    changes = [
        asdict(each)
        for each in list_changes(list_versions(config.schema_location))
        if number in {None, each.version}
    ]
    if as_json:
        print_json(changes)
    else:
        print_rows(f"Changes of the schema of {config.name}", changes)


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
