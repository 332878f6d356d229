"""What the newest micro-batches of bronze did, counted from the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.checkpoint import read_checkpoint
from sluice.delta.tables import equal
from sluice.history.tables import read_rows

if TYPE_CHECKING:
    from sluice.pipeline import Pipeline


def count_batches(pipeline: Pipeline, *, after: int) -> dict[str, int]:
    """Return how many batches, files, rows and rescued rows came above batch ``after``.

    ``-1`` counts from the first batch of the bronze checkpoint that is there now.
    """
    checkpoint = read_checkpoint(pipeline.queries[0].checkpoint)
    if checkpoint is None:
        return {"batches": 0, "files": 0, "rows": 0, "rescued_rows": 0}
    mine = equal(pipeline=pipeline.name, query_id=checkpoint.query_id)
    where = f"{mine} and batch_id > {after}"
    batches = read_rows(pipeline.ops_location("batches"), where, ["batch_id"])
    counted = ["rows", "rescued_rows"]
    files = read_rows(pipeline.ops_location("batch_files"), where, counted)
    return {
        "batches": len(batches),
        "files": len(files),
        "rows": _total(files, "rows"),
        "rescued_rows": _total(files, "rescued_rows"),
    }


def _total(rows: list[dict[str, object]], column: str) -> int:
    return sum(int(str(row[column])) for row in rows if row[column] is not None)
