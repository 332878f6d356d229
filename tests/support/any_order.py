"""Orders in any order, in any versions of bronze and runs: strategies of Hypothesis."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import strategies as st

from sluice.silver import run as silver_run
from sluice.silver.run import run_silver
from support.held_writes import HeldRun
from support.killing import JOBS, newest
from support.silver_lake import SilverLake, order
from support.taken_rows import FORMATS

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

_FORMATS = st.lists(st.sampled_from(list(FORMATS)), min_size=1, unique=True)
_AHEAD = st.sampled_from([None, "0 minutes", "30 minutes", "1 day"])
TAKEN = {
    "event_time": st.builds(
        lambda formats, ahead: {
            "column": "order_date",
            "format": formats,
            "max_ahead": ahead,
        },
        _FORMATS,
        _AHEAD,
    ),
    "where": st.sampled_from([None, "total_amount > 3", "payment_method <> 'cash'"]),
}
"""Which rows silver takes, and when they happened: keys of its definition."""

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

KILLS = st.integers(-49, 50).map(lambda number: 50 + number)
"""Before which of its writes a run is killed: drawn first is one in the middle."""


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


def kill_stream(lake: SilverLake, at: int, *, drain: bool) -> None:
    """Run silver in a process of its own, killed before its write number ``at``.

    Where it has fewer of them, it comes to its end.
    """
    raw = lake.config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    file = Path(lake.config.lake, "orders.yaml")
    file.write_text(json.dumps(raw))
    job = [sys.executable, str(JOBS / "silver.py"), "--pipeline", str(file)]
    drains = ["--drain", "yes" if drain else "no"]
    with HeldRun.start([*job, "--run-id", "killed", *drains], file.parent) as run:
        for done, _ in enumerate(run.writes(), start=1):
            if done == at:
                run.kill()
                return
        assert run.process.wait() == 0


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
    """Append a version with ``rows`` to bronze, read half an hour after the last one.

    Versions differ in how they write times; silver has a format for each.
    """
    number = newest(f"{lake.bronze_location}/_delta_log") + 1
    formats = lake.silver.event_time.format
    written = FORMATS[formats[number % len(formats)]]
    read = MIDNIGHT + number * timedelta(minutes=30)
    lake.put(*({**_numbered(row, written), "_processing_time": read} for row in rows))


def _numbered(row: Order, written: str) -> dict[str, object]:
    """Return an order whose number says all of it; some are without a number."""
    second, amount, method = row
    time = MIDNIGHT + timedelta(seconds=second)
    order_id = f"{time} {amount} {method}" if amount > 2 else None
    return {**order(f"{time:{written}}", amount, method), "order_id": order_id}
