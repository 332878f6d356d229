"""``sluice backfill``: recompute silver windows of an interval from bronze."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from sluice.cli.output import (
    JsonOption,
    PipelineArgument,
    print_json,
    print_line,
    print_rows,
)
from sluice.config import PipelineConfig, load_pipeline
from sluice.intervals import Interval, parse_interval


def backfill(
    pipeline: PipelineArgument,
    *,
    start: Annotated[str, typer.Option("--from", help="First window start, ISO 8601.")],
    end: Annotated[str, typer.Option("--to", help="Windows start before this time.")],
    reload: Annotated[
        bool, typer.Option("--reload", help="Read the landed files again first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Recompute the closed silver windows that start in [from, to), late rows included.

    Windows that the live stream has yet to emit are counted and left to it. With
    ``--reload`` the rows of the files that fill the interval are replaced first.
    """
    interval = parse_interval(start, end)
    config = load_pipeline(pipeline)
    # pyspark takes half a second to import: only commands that use it pay for it.
    from sluice.silver.backfill import run_backfill  # noqa: PLC0415

    run_id = f"backfill-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    notes = _reload(config, interval, run_id) if reload else []
    if config.complete:
        names = [each.name for each in config.complete]
        notes.append(
            f"tables {names} are computed whole, by the next run if their source "
            "changed: a backfill has nothing to do there"
        )
    summaries = [
        run_backfill(
            config, silver, start=interval.start, end=interval.end, run_id=run_id
        )
        for silver in config.streamed
    ]
    found = [
        {"table": silver.name, **summary.counts, "notes": list(summary.notes)}
        for silver, summary in zip(config.streamed, summaries, strict=True)
    ]
    for note in notes:
        typer.echo(note, err=True)
    if as_json:
        print_json(found)
        return
    if not found:
        return
    rows = [{key: row[key] for key in row if key != "notes"} for row in found]
    print_rows(f"Backfill of {config.name}", rows)
    for summary in summaries:
        for note in summary.notes:
            print_line(note)


def _reload(config: PipelineConfig, interval: Interval, run_id: str) -> list[str]:
    """Replay the files of the interval and return what was done."""
    from sluice.replay.reload import reload_interval  # noqa: PLC0415

    result = reload_interval(config, interval, run_id=run_id)
    if result is None:
        return ["reload: no file has rows in the interval"]
    counts = ", ".join(f"{name} {count}" for name, count in result.counts.items())
    line = f"reload: {counts}; table version {result.table_version}"
    return [line, *(f"left out: {each}" for each in result.left_out)]
