"""By how much late rows missed their windows: from the table ``ops/silver_batches``."""

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
LATE_BY = "late_by"


def dump_late_by(late: Counter[int]) -> str | None:
    """Return the count of late rows by minutes as ``ops/silver_batches`` keeps it."""
    return json.dumps(late) if late else None


def read_late_by(pipeline: Pipeline, silver: str, *, since: datetime) -> Counter[int]:
    """Return how many rows of a silver table were late by how many minutes.

    Counts the micro-batches that were archived ``since``. A row that is late by 3
    would have been in time under a watermark 3 minutes longer, and not under 2.
    """
    table = open_table(pipeline.ops_location(TABLE))
    late: Counter[int] = Counter()
    if table is None or LATE_BY not in {each.name for each in table.schema().fields}:
        return late
    mine = equal(pipeline=pipeline.name, silver=silver)
    sql = (
        f"select {LATE_BY} from t where {mine} and {LATE_BY} is not null "
        f"and archived_at >= to_timestamp('{since.isoformat()}')"
    )
    for row in query_table(table, sql).to_pylist():
        for minutes, rows in json.loads(row[LATE_BY]).items():
            late[int(minutes)] += rows
    return late
