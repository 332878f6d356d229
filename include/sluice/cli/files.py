"""``sluice files``: the ledger, each file with what became of it."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.output import (
    GLOB_HELP,
    JsonOption,
    PipelineArgument,
    print_json,
    print_rows,
)
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError
from sluice.history.files import FileFilter, list_files, to_json
from sluice.model import FileState
from sluice.options.globs import path_filter

# What a person looks for; programs get everything by --json.
_SHOWN = (
    "seq",
    "path",
    "size",
    "modified_at",
    "state",
    "batch_id",
    "table_version",
    "commit_time",
    "rows",
    "rescued_rows",
    "dropped_records",
    "quarantined_rows",
    "archived_at",
    "move_location",
    "error",
)


def files(
    pipeline: PipelineArgument,
    state: Annotated[
        str | None,
        typer.Option(help=f"Only files that are {', '.join(FileState)}."),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB",
            help=f"Only files that {GLOB_HELP}.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many, the newest of the ledger.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List every file ever discovered: its batch, table version, rows and error."""
    config = load_pipeline(pipeline)
    wanted = FileFilter(
        state=None if state is None else _parse_state(state),
        takes=None if path is None else path_filter(path, config.landing_location),
        limit=limit,
    )
    rows = [to_json(each) for each in list_files(config, wanted)]
    if as_json:
        print_json(rows)
    else:
        shown = [{key: row[key] for key in _SHOWN} for row in rows]
        print_rows(f"Files of {pipeline}", shown)


def _parse_state(text: str) -> FileState:
    spelled = text.replace("-", " ").replace("_", " ")
    if spelled in set(FileState):
        return FileState(spelled)
    known = [str(each) for each in FileState]
    raise UsageError(
        Condition.USAGE,
        f"state {text!r} is unknown; expected one of {known}",
        {"known": known},
    )
