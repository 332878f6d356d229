"""What the newest micro-batches of bronze did, counted from the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.checkpoint import read_checkpoint
from sluice.delta.log import open_table
from sluice.delta.tables import equal
from sluice.history.tables import read_rows

if TYPE_CHECKING:
    from sluice.pipeline import Pipeline


def count_batches(pipeline: Pipeline, *, after: int) -> dict[str, int]:
    """Return how many batches, files, rows and rescued rows came above batch ``after``.

    Where records were dropped, or rows went to quarantine, their number is there too.
    ``-1`` counts from the first batch of the bronze checkpoint that is there now.
    """
    checkpoint = read_checkpoint(pipeline.queries[0].checkpoint)
    if checkpoint is None:
        return {"batches": 0, "files": 0, "rows": 0, "rescued_rows": 0}
    mine = equal(pipeline=pipeline.name, query_id=checkpoint.query_id)
    where = f"{mine} and batch_id > {after}"
    counted = ["rows", "rescued_rows", "dropped_records", "quarantined_rows"]
    batches = read_rows(pipeline.ops_location("batches"), where, ["batch_id"])
    location = pipeline.ops_location("batch_files")
    files = read_rows(location, where, _known(location, counted))
    seldom = {name: _total(files, name) for name in counted[2:]}
    return {
        "batches": len(batches),
        "files": len(files),
        "rows": _total(files, "rows"),
        "rescued_rows": _total(files, "rescued_rows"),
        **{name: count for name, count in seldom.items() if count},
    }


def _known(location: str, columns: list[str]) -> list[str]:
    """Return those of ``columns`` that a table has, perhaps an earlier release's."""
    table = open_table(location)
    known = {each.name for each in table.schema().fields} if table else set()
    return [each for each in columns if each in known]


def _total(rows: list[dict[str, object]], column: str) -> int:
    found = (row.get(column) for row in rows)
    return sum(int(str(each)) for each in found if each is not None)
