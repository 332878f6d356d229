"""What any silver table must hold of all rows of bronze, by a query of DuckDB."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import duckdb

from support.delta_rows import read_delta
from support.oracle import EPOCH, Key, Values
from support.session_oracle import ONCE, batch_sessions
from support.silver_lake import SilverLake
from support.taken_rows import taken_rows

_MICROSECOND = timedelta(microseconds=1)
_WINDOWS = f"""{ONCE}, placed AS (
    SELECT *, epoch_us(moment) AS us,
        epoch_us(moment) // $slide * $slide - $slide * unnest(range($most)) AS start
    FROM once
)
SELECT start, payment_method, count(*), sum(total_amount), avg(total_amount)
FROM placed WHERE start + $duration > us
GROUP BY start, payment_method
"""


def batch_silver(lake: SilverLake) -> dict[Key, Values]:
    """Return every window or session of the rows that bronze has now."""
    grid, once = lake.silver.window.grid, bool(lake.silver.deduplicate)
    take = partial(taken_rows, silver=lake.silver)
    if lake.silver.window.is_session:
        return batch_sessions(lake.bronze_location, grid.duration, once=once, take=take)
    lengths = {
        "once": once,
        "duration": grid.duration // _MICROSECOND,
        "slide": grid.slide // _MICROSECOND,
        "most": -(-grid.duration // grid.slide),
    }
    with duckdb.connect() as connection:
        connection.register("bronze", take(read_delta(lake.bronze_location)))
        found = connection.execute(_WINDOWS, lengths).fetchall()
    starts = [(EPOCH + start * _MICROSECOND, *rest) for start, *rest in found]
    return {
        (start, start + grid.duration, group): tuple(values)
        for start, group, *values in starts
    }
