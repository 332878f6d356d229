"""``sluice sample``: land the next hours of sample orders."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.output import print_rows
from sluice.config import load_pipeline
from sluice.paths import normalize
from sluice.sample import LandedHour, land_next_hour


def sample(  # noqa: PLR0913 - the options of a command
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="Whose landing folder to fill.")
    ] = "orders",
    *,
    hours: Annotated[int, typer.Option(min=1, help="How many hours to land.")] = 1,
    files: Annotated[int, typer.Option(min=1, help="Files an hour.")] = 12,
    rows: Annotated[int, typer.Option(min=1, help="Orders a file.")] = 100,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    to: Annotated[str | None, typer.Option(help="Land in this folder instead.")] = None,
) -> None:
    """Land the next hours of sample orders, some out of order, late or twice."""
    landing = normalize(str(to)) if to else load_pipeline(pipeline).landing_location
    landed = [
        land_next_hour(landing, files=files, rows=rows, seed=seed) for _ in range(hours)
    ]
    print_rows(f"Landed in {landing}", [_row(each) for each in landed])


def _row(landed: LandedHour) -> dict[str, object]:
    return {"hour": landed.hour, "files": len(landed.paths), "rows": landed.rows}
