"""``sluice files``: the ledger, each file with what became of it."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.output import JsonOption, PipelineArgument, print_json, print_rows
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError
from sluice.history.files import list_files, to_json
from sluice.model import FileState


def files(
    pipeline: PipelineArgument,
    state: Annotated[
        str | None,
        typer.Option(help=f"Only files that are {', '.join(FileState)}."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List every file ever discovered: its batch, table version, rows and error."""
    wanted = None if state is None else _parse_state(state)
    rows = [to_json(each) for each in list_files(load_pipeline(pipeline), wanted)]
    if as_json:
        print_json(rows)
    else:
        print_rows(f"Files of {pipeline}", rows)


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
