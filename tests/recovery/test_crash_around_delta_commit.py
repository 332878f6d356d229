"""A driver that is killed: no row lost and none twice, whichever side it fell on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support.held_writes import HeldRun, Write, can_hold
from support.killing import Query, Side
from support.lakes import ROWS, Lake, Windows, order
from support.oracle import closed_windows

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.usefixtures("spark"),
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

# Of bronze's three batches the middle one, of silver's two the one that emits windows.
BATCH = 1


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with three files, one in a batch."""
    lake = Lake(tmp_path, **{"cloudFiles.maxFilesPerTrigger": 1})
    lake.land(3)
    return lake


@pytest.mark.parametrize(
    "side",
    [
        pytest.param(Side.BEFORE_DELTA_COMMIT, marks=pytest.mark.long),
        Side.AFTER_DELTA_COMMIT,
    ],
)
def test_queries_killed_around_their_commits_write_every_row_once(
    lake: Lake, side: Side
) -> None:
    """The batch is repeated with its rows and state, and Delta skips what it has."""
    kill_around_commit(lake, lake.bronze, side)

    lake.land(1)
    kill_around_commit(lake, lake.silver, side)
    assert lake.bronze.cut_off() is None
    assert lake.bronze_rows() == lake.landed_rows()

    lake.land(1)
    lake.run("last")
    assert lake.silver.cut_off() is None
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()


@pytest.mark.long
@pytest.mark.parametrize("side", [Side.BEFORE_DELTA_COMMIT, Side.AFTER_DELTA_COMMIT])
def test_rows_that_come_again_behind_a_kill_count_once(
    lake: Lake, tmp_path: Path, side: Side
) -> None:
    """The state of a micro-batch that is repeated knows none of its rows yet."""
    with lake.file.open("a") as file:
        file.write("    deduplicate: [order_id]\n")

    test_queries_killed_around_their_commits_write_every_row_once(
        RepeatedLake(tmp_path), side
    )


class RepeatedLake(Lake):
    """Each file brings the orders of the one before again."""

    def put(self, name: str, records: Sequence[Mapping[str, object]]) -> None:
        """Land one file of these orders, behind those of the file before."""
        before = int(name.partition(".")[0]) - 1
        again = [order(before, row) for row in range(ROWS)] if before >= 0 else []
        super().put(name, [*again, *records])

    def closed_windows(self) -> Windows:
        """Return the windows of each order once."""
        orders = {each["order_id"]: each for _, each in self.landed()}
        return closed_windows(list(orders.values()))


def kill_around_commit(lake: Lake, query: Query, side: Side) -> None:
    """Run bronze and silver and kill both beside the Delta commit of one batch."""
    with HeldRun.start(lake.command(), lake.folder) as run:
        for write in run.writes():
            if write.source is not None and is_next(write, query, side):
                break
        else:
            raise AssertionError(f"the run ended without its batch {BATCH}")
    assert query.cut_off() == (BATCH, side)


def is_next(write: Write, query: Query, side: Side) -> bool:
    """Return True if a write is the first one on the other side of the commit."""
    if side is Side.AFTER_DELTA_COMMIT:
        return write.path == Path(query.checkpoint, "commits", str(BATCH))
    log = Path(query.table, "_delta_log")
    is_version = write.path.parent == log and write.path.suffix == ".json"
    return is_version and query.planned == BATCH
