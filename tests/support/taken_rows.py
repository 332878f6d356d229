"""The rows of bronze that a silver table takes, chosen and read by DuckDB."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pyarrow as pa

from sluice.config import SilverConfig
from sluice.times import parse_duration

FORMATS = {
    "yyyy-MM-dd HH:mm:ss": "%Y-%m-%d %H:%M:%S",
    "yyyy-MM-dd'T'HH:mm:ss": "%Y-%m-%dT%H:%M:%S",
    # Fits what the first fits, and is another time.
    "yyyy-MM-dd HH:ss:mm": "%Y-%m-%d %H:%S:%M",
}
"""Formats of event times, as a pipeline file has them and as DuckDB does."""

_NO_LIMIT = "36500 days"
_TAKEN = f"""
SELECT * EXCLUDE (moment) REPLACE (
    CASE WHEN epoch_us(moment) <= epoch_us(_processing_time) + $ahead
    THEN strftime(moment, '{FORMATS["yyyy-MM-dd HH:mm:ss"]}') END AS order_date
) FROM (SELECT *, try_strptime(order_date, $formats) AS moment FROM bronze)
"""


def taken_rows(bronze: pa.Table, silver: SilverConfig) -> pa.Table:
    """Return the rows that meet ``where``, with their event times in one format.

    A row has none that no format fits, or that is too far ahead of its reading.
    """
    ahead = parse_duration(silver.max_ahead or _NO_LIMIT) // timedelta(microseconds=1)
    formats = [FORMATS[each] for each in silver.event_time.format]
    query = f"{_TAKEN} WHERE {silver.where or 'true'}"
    with duckdb.connect() as connection:
        connection.register("bronze", bronze)
        found = connection.sql(query, params={"ahead": ahead, "formats": formats})
        return found.to_arrow_table()
