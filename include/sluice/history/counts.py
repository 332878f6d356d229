"""What the newest micro-batches of bronze did, counted from the archive."""

from __future__ import annotations

import pyarrow.compute as pc

from sluice.checkpoint import read_checkpoint
from sluice.config import PipelineConfig
from sluice.history.queries import BRONZE
from sluice.history.tables import read_rows


def count_batches(config: PipelineConfig, *, after: int) -> dict[str, int]:
    """Return how many batches, files, rows and rescued rows came above batch ``after``.

    ``-1`` counts from the first batch of the bronze checkpoint that is there now.
    """
    checkpoint = read_checkpoint(config.bronze_checkpoint_location)
    if checkpoint is None:
        return {"batches": 0, "files": 0, "rows": 0, "rescued_rows": 0}
    condition = (
        (pc.field("pipeline") == config.name)
        & (pc.field("query_id") == checkpoint.query_id)
        & (pc.field("batch_id") > after)
    )
    batches = read_rows(
        config.ops_location("batches"), condition & (pc.field("query") == BRONZE)
    )
    files = read_rows(config.ops_location("batch_files"), condition)
    return {
        "batches": len(batches),
        "files": len(files),
        "rows": _total(files, "rows"),
        "rescued_rows": _total(files, "rescued_rows"),
    }


def _total(rows: list[dict[str, object]], column: str) -> int:
    return sum(int(str(row[column])) for row in rows if row[column] is not None)
