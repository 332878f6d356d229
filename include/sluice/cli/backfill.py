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
from sluice.config import load_pipeline
from sluice.silver.interval import parse_interval


def backfill(
    pipeline: PipelineArgument,
    *,
    start: Annotated[str, typer.Option("--from", help="First window start, ISO 8601.")],
    end: Annotated[str, typer.Option("--to", help="Windows start before this time.")],
    as_json: JsonOption = False,
) -> None:
    """Recompute the closed silver windows that start in [from, to), late rows included.

    Windows that the live stream has yet to emit are counted and left to it.
    """
    interval = parse_interval(start, end)
    config = load_pipeline(pipeline)
    # pyspark takes half a second to import: only commands that use it pay for it.
    from sluice.silver.backfill import run_backfill  # noqa: PLC0415

    run_id = f"backfill-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    summaries = [
        run_backfill(
            config, silver, start=interval.start, end=interval.end, run_id=run_id
        )
        for silver in config.silver
    ]
    found = [
        {"table": silver.name, **summary.counts, "notes": list(summary.notes)}
        for silver, summary in zip(config.silver, summaries, strict=True)
    ]
    if as_json:
        print_json(found)
        return
    rows = [{key: row[key] for key in row if key != "notes"} for row in found]
    print_rows(f"Backfill of {config.name}", rows)
    for summary in summaries:
        for note in summary.notes:
            print_line(note)
