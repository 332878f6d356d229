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
    found = _find(subject)
    if as_json:
        print_json([to_json(each) for each in found])
    else:
        print_rows(f"Micro-batches of {subject}", [batch_row(each) for each in found])


def batch_row(batch: Batch) -> dict[str, object]:
    """Return a batch for people: the newest part of an offset instead of all of it."""
    shape = to_json(batch)
    started, ended = shape.pop("start_offsets"), shape.pop("end_offsets")
    return {
        **{key: shape[key] for key in ("query", "batch_id", "kind", "committed")},
        "from": "?" if started is None else ", ".join(map(_short, started)),
        "to": ", ".join(map(_short, ended)),
        **{key: shape[key] for key in ("rows", "table_version", "watermark")},
    }


def _short(offset: object) -> str:
    if isinstance(offset, dict):
        for key in ("seq", "reservoirVersion", "logOffset"):
            if key in offset:
                return f"{key} {offset[key]}"
    return "start" if offset is None else str(offset)


def _find(subject: str) -> list[Batch]:
    if "://" in subject or Path(subject).is_dir():
        return list_checkpoint_batches(normalize(subject))
    return list_batches(load_pipeline(subject))
