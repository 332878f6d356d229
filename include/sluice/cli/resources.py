"""``sluice resources``: everything that a pipeline made, and its deletion."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from sluice.cli.output import (
    JsonOption,
    PipelineArgument,
    asking,
    print_json,
    print_line,
    print_rows,
)
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError
from sluice.resources import Fate, Resource, delete_pipeline, list_resources


def resources(
    pipeline: PipelineArgument,
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete what the pipeline made, all of it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List everything that a pipeline made, with sizes; nothing is changed.

    With --delete it asks for the pipeline's name first. The landing folder stays.
    """
    config = load_pipeline(pipeline)
    found = list_resources(config)
    if not delete:
        _print(f"Resources of {config.name}", found, as_json=as_json)
        return
    if not yes:
        _print(f"Resources of {config.name}", found, as_json=False)
        _require_meant(config.name)
    run_id = f"delete-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    left = delete_pipeline(config, run_id=run_id)
    _print(f"What remains of {config.name}", left, as_json=as_json)
    if not as_json:
        gone = [each for each in found if each.fate is Fate.DELETED]
        print_line(f"deleted: {len(gone)} of {len(found)} resources")


def _print(title: str, found: list[Resource], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_rows(title, [_row(each) for each in found])


def _row(resource: Resource) -> dict[str, object]:
    row = vars(resource) | {"fate": str(resource.fate)}
    return {("with --delete" if key == "fate" else key): row[key] for key in row}


def _require_meant(name: str) -> None:
    with asking():
        typed = typer.prompt(
            f"Type the name of the pipeline to delete it ({name})",
            default="",
            show_default=False,
            err=True,
        )
    if typed.strip() != name:
        raise UsageError(
            Condition.USAGE,
            f"{typed!r} is not {name!r}: nothing was deleted; type the name, or give "
            "--yes",
        )
