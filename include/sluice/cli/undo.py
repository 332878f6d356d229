"""``sluice schema … undo``: take out of a schema what an evolution added."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from sluice.cli.output import print_json, print_line, print_rows

if TYPE_CHECKING:
    from sluice.bronze.undo import UndoResult
    from sluice.config import PipelineConfig


def undo(
    config: PipelineConfig,
    *,
    to: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Undo to the fields of version ``to``; print what was done, or would be."""
    # pyspark takes half a second to import: only commands that use it pay for it.
    from sluice.bronze.undo import run_undo  # noqa: PLC0415

    busy = Console(stderr=True).status("undo: the table is read, and written again")

    def confirmed(result: UndoResult) -> bool:
        if dry_run:
            return False
        if yes or not sys.stdin.isatty():
            return True
        busy.stop()
        _print(config.name, result)
        sure = typer.confirm("Give the schema these fields?", err=True)
        busy.start()
        return sure

    run_id = f"undo-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    with busy:
        result = run_undo(config, run_id=run_id, to=to, confirmed=confirmed)
    if as_json:
        print_json(asdict(result))
        return
    if not result.is_nothing:
        _print(config.name, result)
    print_line(_outcome(config, result))


def _print(pipeline: str, result: UndoResult) -> None:
    rows = [{**asdict(each)} for each in result.fields]
    print_rows(f"Undo of {pipeline} to version {result.to}", rows)
    if result.returned:
        print_line(f"back in the schema: {', '.join(result.returned)}")


def _outcome(config: PipelineConfig, result: UndoResult) -> str:
    if result.is_nothing:
        return (
            f"nothing to undo: the schema has the fields of version {result.to}, and "
            "the table no values of others"
        )
    rows = (
        f"{result.rows} rows of {result.files} landed files, in {result.data_files} "
        "data files"
    )
    if not result.done:
        return f"{rows}; nothing was changed"
    version = f"schema version {result.version}"
    if result.table_version is not None:
        version += f"; table version {result.table_version}"
    if not result.returned:
        return f"{rows}; {version}"
    command = f"sluice replay {config.called} --files GLOB"
    return f"{rows}; {version}; '{command}' fills what is back from landed files"
