"""Which watermark late rows would have needed, from ``ops/silver_batches``."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from sluice.delta.log import open_table
from sluice.delta.tables import equal, query_table

if TYPE_CHECKING:
    from sluice.pipeline import Pipeline

TABLE = "silver_batches"
NEEDED = "needed_watermark"


def dump_needed(late: Counter[int]) -> str:
    """Return the count of late rows by minutes as ``ops/silver_batches`` keeps it."""
    return json.dumps(late)


def read_needed(pipeline: Pipeline, silver: str, *, since: datetime) -> Counter[int]:
    """Return how many late rows of a silver table needed which watermark, in minutes.

    Counts the micro-batches that were archived ``since``. A row that needed 13 would
    have been in time under a watermark of 13 minutes, and not under 12.
    """
    table = open_table(pipeline.ops_location(TABLE))
    late: Counter[int] = Counter()
    if table is None or NEEDED not in {each.name for each in table.schema().fields}:
        return late
    mine = equal(pipeline=pipeline.name, silver=silver)
    sql = (
        f"select {NEEDED} from t where {mine} and {NEEDED} is not null "
        f"and archived_at >= to_timestamp('{since.isoformat()}')"
    )
    for row in query_table(table, sql).to_pylist():
        for minutes, rows in json.loads(row[NEEDED]).items():
            late[int(minutes)] += rows
    return late
