"""``sluice batches``: every micro-batch ever run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sluice.cli.output import JsonOption, print_json, print_rows
from sluice.config import load_pipeline
from sluice.history.batches import list_batches, list_checkpoint_batches, to_json
from sluice.paths import normalize

if TYPE_CHECKING:
    from sluice.history.batch import Batch


def batches(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE|CHECKPOINT",
            help="A pipeline's name or YAML file, or the folder of a checkpoint.",
        ),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """List every micro-batch, those that Spark has forgotten included."""
    rows = [to_json(each) for each in _find(subject)]
    if as_json:
        print_json(rows)
    else:
        print_rows(f"Micro-batches of {subject}", rows)


def _find(subject: str) -> list[Batch]:
    if "://" in subject or Path(subject).is_dir():
        return list_checkpoint_batches(normalize(subject))
    return list_batches(load_pipeline(subject))
