"""Orders in any order, in any versions of bronze and runs: strategies of Hypothesis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import strategies as st

from sluice.silver import run as silver_run
from sluice.silver.run import run_silver
from support.killing import newest
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

COMMIT_LOG = "commit log"
"""Behind the commit to the table, before that of the checkpoint."""
CUTS = st.sampled_from(
    [
        None,
        COMMIT_LOG,
        "archive_batches",
        "recompute_replayed",
        "drain_windows",
        "archive_history",
    ]
)
"""Where in the step a driver is cut off: before it does this, or nowhere."""


def cut_off_stream(lake: SilverLake, at: str) -> None:
    """Run silver until a driver is cut off there, with a drain where it comes to that.

    What is left behind is that of a kill: nothing of what comes later is done.
    """
    step = "archive_batches" if at == COMMIT_LOG else at
    drains = step == "drain_windows"
    with cut_off(silver_run, step):
        run_silver(lake.config, lake.silver, run_id="killed", drain=drains)
    commits = Path(lake.checkpoint, "commits")
    done = newest(commits)
    if at == COMMIT_LOG and done == newest(commits.with_name("offsets")):
        (commits / str(done)).unlink()
        (commits / f".{done}.crc").unlink(missing_ok=True)


@contextmanager
def cut_off(module: ModuleType, step: str) -> Iterator[None]:
    """Have what the block calls end before a function of ``module``, which it must."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, step, killed)
        try:
            yield
        except KeyboardInterrupt:
            return
    pytest.fail(f"it ended without {step}")


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
