"""Orders in any order, in any versions of bronze and runs: strategies of Hypothesis."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from support.silver_lake import SilverLake, order

MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)
Order = tuple[int, int, str | None]

_ORDERS = st.tuples(
    st.integers(0, 120 * 60), st.integers(1, 9), st.sampled_from(["card", "cash", None])
)
VERSION = st.lists(_ORDERS, min_size=1, max_size=6).map(lambda rows: [*rows, rows[0]])
# What landed first comes again at the end, under other names of files.
RUNS = st.lists(st.lists(VERSION, min_size=1, max_size=3), min_size=2, max_size=4).map(
    lambda runs: [*runs, runs[0]]
)


def put(lake: SilverLake, rows: Iterable[Order]) -> None:
    """Append a version with ``rows`` to bronze."""
    lake.put(*(_numbered(_at(second), n, how) for second, n, how in rows))


def _numbered(time: str, amount: int, method: str | None) -> dict:
    """Return an order whose number says all of it; some are without a number."""
    order_id = f"{time} {amount} {method}" if amount > 2 else None
    return {**order(time, float(amount), method), "order_id": order_id}


def _at(second: int) -> str:
    """Return a time of the day as orders write it."""
    return f"{MIDNIGHT + timedelta(seconds=second):%Y-%m-%d %H:%M:%S}"
