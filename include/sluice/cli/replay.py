"""``sluice replay``: read files again and replace their rows in one commit."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.output import (
    GLOB_HELP,
    JsonOption,
    PipelineArgument,
    print_json,
    print_line,
    print_rows,
)
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError
from sluice.times import parse_utc

if TYPE_CHECKING:
    from sluice.replay.result import ReplayResult


def replay(  # noqa: PLR0913 - one parameter an option
    pipeline: PipelineArgument,
    files: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help=f"Files that {GLOB_HELP}; may be repeated."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Files discovered from this time on, ISO 8601.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Files discovered before this time.")
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and count; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read files again with today's schema and replace their rows in one commit.

    The silver windows with such rows are recomputed, open ones once they are closed.
    Running it again changes nothing. On a terminal it asks first.
    """
    # pyspark takes half a second to import: only commands that use it pay for it.
    from sluice.replay.run import run_replay  # noqa: PLC0415
    from sluice.replay.select import Selection  # noqa: PLC0415

    config = load_pipeline(pipeline)
    selection = Selection(
        globs=tuple(files or ()),
        since=None if since is None else _parse_time("--since", since),
        until=None if until is None else _parse_time("--until", until),
    )

    def confirmed(result: ReplayResult) -> bool:
        if dry_run:
            return False
        if yes or not sys.stdin.isatty():
            return True
        _print(config.name, result)
        return typer.confirm("Replace these rows?", err=True)

    run_id = f"replay-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    result = run_replay(config, selection, run_id=run_id, confirmed=confirmed)
    if as_json:
        print_json(_facts(result))
    else:
        _print(config.name, result)
        print_line(_outcome(result))


def _print(pipeline: str, result: ReplayResult) -> None:
    print_rows(f"Replay of {pipeline}", [asdict(each) for each in result.files])
    if result.windows:
        print_rows("Silver windows", [asdict(each) for each in result.windows])
    for each in result.left_out:
        print_line(f"left out: {each}")


def _outcome(result: ReplayResult) -> str:
    counts = result.counts
    line = (
        f"{counts['files']} files, {counts['rows_out']} rows out, "
        f"{counts['rows_in']} rows in"
    )
    if result.table_version is None:
        return f"{line}; nothing was changed"
    return "; ".join([f"{line}; table version {result.table_version}", *result.notes])


def _facts(result: ReplayResult) -> dict[str, object]:
    left_out = [
        {"seq": each.seq, "path": each.path, "reason": each.text}
        for each in result.left_out
    ]
    return {
        "run_id": result.run_id,
        "table_version": result.table_version,
        **result.counts,
        "files": [asdict(each) for each in result.files],
        "left_out": left_out,
        "windows": [asdict(each) for each in result.windows],
        "notes": list(result.notes),
    }


def _parse_time(option: str, text: str) -> datetime:
    try:
        return parse_utc(text)
    except ValueError:
        raise UsageError(
            Condition.USAGE,
            f"{option} {text!r} is not an ISO 8601 time; expected one such as "
            "2026-01-01T00:00:00Z",
            {"option": option},
        ) from None
