"""What a silver table of sessions must hold: by DuckDB, and batch by batch.

``batch_sessions`` is a query of another engine over the rows of bronze. The stream is
followed by its offset log, row by row.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import duckdb

from support.delta_rows import read_delta
from support.oracle import (
    EPOCH,
    Expected,
    Key,
    Take,
    Values,
    committed_batches,
    event_time,
    summarize,
    take_all,
    version_rows,
)

ONCE = """
WITH timed AS (
    SELECT *, try_strptime(order_date, '%Y-%m-%d %H:%M:%S') AS moment FROM bronze
), once AS (
    SELECT any_value(moment) AS moment, payment_method,
        any_value(total_amount) AS total_amount
    FROM timed WHERE moment IS NOT NULL
    GROUP BY payment_method, order_date,
        CASE WHEN $once AND order_id IS NOT NULL THEN order_id ELSE uuid()::text END
)"""
"""The orders that have a time, of DuckDB; with ``$once`` a copy counts once."""
_SESSIONS = f"""{ONCE}, begun AS (
    SELECT *, coalesce(
        moment > (lag(moment) OVER by_time) + to_microseconds($gap), true
    ) AS begins
    FROM once WINDOW by_time AS (PARTITION BY payment_method ORDER BY moment)
), numbered AS (
    SELECT *, count_if(begins) OVER (
        PARTITION BY payment_method ORDER BY moment
        RANGE UNBOUNDED PRECEDING
    ) AS number
    FROM begun
)
SELECT epoch_us(min(moment)), epoch_us(max(moment)) + $gap, payment_method,
    count(*), sum(total_amount), avg(total_amount)
FROM numbered GROUP BY payment_method, number
"""


def batch_sessions(
    bronze: str, gap: timedelta, *, once: bool = False, take: Take = take_all
) -> dict[Key, Values]:
    """Return every session of the rows that ``bronze`` has now, by DuckDB."""
    with duckdb.connect() as connection:
        connection.register("bronze", take(read_delta(bronze)))
        length = gap // timedelta(microseconds=1)
        found = connection.execute(_SESSIONS, {"gap": length, "once": once}).fetchall()
    return {
        (_at(start), _at(end), group): tuple(values)
        for start, end, group, *values in found
    }


def streamed_sessions(
    bronze: str,
    checkpoint: str,
    gap: timedelta,
    *,
    once: bool = False,
    take: Take = take_all,
) -> Expected:
    """Follow the committed batches: what each emitted, dropped and left open.

    A session is emitted by the first batch whose watermark is past its end. A row is
    late that is past its gap, of which copies are looked for, past its own time.
    """
    found = Expected()
    waiting: dict[str | None, list[dict]] = defaultdict(list)
    for batch in committed_batches(checkpoint):
        rows = [
            row
            for version in batch.versions
            for row in version_rows(bronze, version, take)
        ]
        timed = [row for row in rows if event_time(row["order_date"]) is not None]
        in_time = [
            row
            for row in timed
            if event_time(row["order_date"]) + (timedelta() if once else gap)
            > batch.late_watermark
        ]
        found.rows += len(rows)
        found.null_rows += len(rows) - len(timed)
        found.late_by_batch[batch.number] = len(timed) - len(in_time)
        for row in in_time:
            waiting[row["payment_method"]].append(row)
        for group, kept in waiting.items():
            for session in _split(_without_copies(kept) if once else kept, gap):
                key = _bounds(session, gap, group)
                if key[1] <= batch.watermark:
                    found.windows[key] = _values(session)
                    waiting[group] = [r for r in waiting[group] if not _in(r, key)]
    for group, kept in waiting.items():
        for session in _split(_without_copies(kept) if once else kept, gap):
            found.open_windows[_bounds(session, gap, group)] = _values(session)
    return found


def _without_copies(rows: list[dict]) -> list[dict]:
    unique = {
        (row["order_date"], row["order_id"] or number): row
        for number, row in enumerate(rows)
    }
    return list(unique.values())


def _split(rows: list[dict], gap: timedelta) -> list[list[dict]]:
    sessions: list[list[dict]] = []
    for row in sorted(rows, key=lambda row: row["order_date"]):
        moment = event_time(row["order_date"])
        if sessions and moment <= event_time(sessions[-1][-1]["order_date"]) + gap:
            sessions[-1].append(row)
        else:
            sessions.append([row])
    return sessions


def _bounds(session: list[dict], gap: timedelta, group: str | None) -> Key:
    first, last = session[0], session[-1]
    return event_time(first["order_date"]), event_time(last["order_date"]) + gap, group


def _in(row: dict, key: Key) -> bool:
    return key[0] <= event_time(row["order_date"]) < key[1]


def _values(session: list[dict]) -> Values:
    return summarize([row["total_amount"] for row in session])


def _at(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
