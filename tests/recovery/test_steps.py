"""What a run has written just before and just after each of its steps."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest
from deltalake.exceptions import TableNotFoundError

from support.delta_rows import read_delta
from support.held_writes import HeldRun, Write, can_hold
from support.killing import JOBS
from support.lakes import Lake

pytestmark = [
    pytest.mark.needs_java,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

FILES_IN_A_BATCH = 3
BATCHES = 2


class Step(StrEnum):
    """What a run of bronze writes, in order."""

    LEDGER_APPEND = "ledger append"
    CLAIM = "claim"
    OFFSET_LOG = "offset log"
    FIRST_TASK = "first task"
    LAST_TASK = "last task"
    DELTA_COMMIT = "Delta commit"
    COMMIT_LOG = "commit log"
    LEASE_RELEASE = "lease release"


@dataclass(frozen=True)
class Disk:
    """What the disk says about a run of two batches, the second one cut off."""

    known: int
    """Files in the ledger."""
    claims: int
    planned: int
    """The newest batch in the offset log, as those below from -1 on."""
    files: int
    """Whole data files that no version of the table names."""
    written: int
    committed: int
    released: bool


EXPECTED = {
    (Step.LEDGER_APPEND, "before"): Disk(0, 0, -1, 0, -1, -1, False),
    (Step.LEDGER_APPEND, "after"): Disk(6, 0, -1, 0, -1, -1, False),
    (Step.CLAIM, "before"): Disk(6, 1, 0, 0, 0, 0, False),
    (Step.CLAIM, "after"): Disk(6, 2, 0, 0, 0, 0, False),
    (Step.OFFSET_LOG, "before"): Disk(6, 2, 0, 0, 0, 0, False),
    (Step.OFFSET_LOG, "after"): Disk(6, 2, 1, 0, 0, 0, False),
    (Step.FIRST_TASK, "before"): Disk(6, 2, 1, 0, 0, 0, False),
    (Step.FIRST_TASK, "after"): Disk(6, 2, 1, 1, 0, 0, False),
    (Step.LAST_TASK, "before"): Disk(6, 2, 1, 2, 0, 0, False),
    (Step.LAST_TASK, "after"): Disk(6, 2, 1, 3, 0, 0, False),
    (Step.DELTA_COMMIT, "before"): Disk(6, 2, 1, 3, 0, 0, False),
    (Step.DELTA_COMMIT, "after"): Disk(6, 2, 1, 0, 1, 0, False),
    (Step.COMMIT_LOG, "before"): Disk(6, 2, 1, 0, 1, 0, False),
    (Step.COMMIT_LOG, "after"): Disk(6, 2, 1, 0, 1, 1, False),
    (Step.LEASE_RELEASE, "before"): Disk(6, 2, 1, 0, 1, 1, False),
    (Step.LEASE_RELEASE, "after"): Disk(6, 2, 1, 0, 1, 1, True),
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with six files: two batches of three files, a task for each."""
    options = {
        "cloudFiles.maxFilesPerTrigger": FILES_IN_A_BATCH,
        "sluice.maxPartitionBytes": 4096,
    }
    lake = Lake(tmp_path, **options)
    lake.land(BATCHES * FILES_IN_A_BATCH)
    return lake


def test_each_step_is_on_disk_before_the_next_begins(lake: Lake) -> None:
    """One run, held beside each of its steps: what a kill there would leave behind.

    That the next run goes on from it with every row once is what the kill at every
    write proves.
    """
    command = [sys.executable, str(JOBS / "bronze.py"), *lake.arguments("held")]
    found = {}
    with HeldRun.start(command, lake.folder) as run:
        for step in NAMES:
            if step is Step.DELTA_COMMIT:
                found |= {TASKS[done]: read_disk(lake) for done in _tasks(run, lake)}
            write = _await_write(run, lake, step)
            found[step, "before"] = read_disk(lake)
            run.finish(write)
            found[step, "after"] = read_disk(lake)
        for _ in run.writes():
            pass
        assert run.process.wait() == 0

    assert found == EXPECTED
    assert lake.bronze_rows() == lake.landed_rows()


# The names of a run's second batch; a task's file has none that is known before.
NAMES = {
    Step.LEDGER_APPEND: f"schemas/orders/_ledger/files/_delta_log/{1:020}.json",
    Step.CLAIM: f"schemas/orders/_ledger/claims/_delta_log/{2:020}.json",
    Step.OFFSET_LOG: "checkpoints/orders/bronze/offsets/1",
    Step.DELTA_COMMIT: f"bronze/orders/_delta_log/{1:020}.json",
    Step.COMMIT_LOG: "checkpoints/orders/bronze/commits/1",
    Step.LEASE_RELEASE: "checkpoints/orders/_control/bronze/lease/1.json",
}
# By how many of the three tasks are done.
TASKS = (
    (Step.FIRST_TASK, "before"),
    (Step.FIRST_TASK, "after"),
    (Step.LAST_TASK, "before"),
    (Step.LAST_TASK, "after"),
)


def _await_write(run: HeldRun, lake: Lake, step: Step) -> Write:
    """Wait until a step is about to name its file."""
    for write in run.writes():
        if write.source is None or write.path != lake.folder / NAMES[step]:
            continue
        # The lease is written at every heartbeat as well.
        if step is not Step.LEASE_RELEASE or _is_released(write.source):
            return write
    raise AssertionError(f"the run ended without its {step}")


def _tasks(run: HeldRun, lake: Lake) -> Iterator[int]:
    """Yield how many tasks of the second batch are done, while the others wait."""
    begun = 0
    waiting: Write | None = None
    for done in range(FILES_IN_A_BATCH + 1):
        if waiting:
            run.let_go(waiting)
        next_one = min(done + 1, FILES_IN_A_BATCH)
        while begun < next_one or len(_unnamed_files(lake)) < done:
            write = run.next_write()
            if write is None:
                assert run.process.poll() is None
                continue
            if write.creates and _is_data_file(write.path, lake):
                begun += 1
                waiting = write
                run.hold(write)
            else:
                run.let_go(write)
        yield done


def read_disk(lake: Lake) -> Disk:
    """Read how far a run came from what it left behind."""
    began = Path(lake.bronze.checkpoint, "metadata").is_file()
    leases = Path(lake.config.bronze_checkpoint_location).parent / "_control/bronze"
    return Disk(
        known=_count(lake.ledger / "files"),
        claims=_count(lake.ledger / "claims"),
        planned=lake.bronze.planned,
        files=len(_unnamed_files(lake)),
        written=lake.bronze.written if began else -1,
        committed=lake.bronze.committed,
        released=any(_is_released(path) for path in leases.glob("lease/*.json")),
    )


def _count(table: Path) -> int:
    try:
        return read_delta(table).num_rows
    except TableNotFoundError:
        return 0


def _is_released(lease: Path) -> bool:
    return json.loads(lease.read_text())["released_at"] is not None


def _is_data_file(path: Path, lake: Lake) -> bool:
    within = path.is_relative_to(lake.config.bronze_location)
    return within and path.suffix == ".parquet" and not path.name.startswith(".")


def _unnamed_files(lake: Lake) -> list[Path]:
    """Return the whole data files that no version of the table names."""
    table = Path(lake.bronze.table)
    logs = [
        json.loads(line)
        for log in table.glob("_delta_log/*.json")
        for line in log.read_text().splitlines()
    ]
    named = {table / each["add"]["path"] for each in logs if "add" in each}
    return [
        path
        for path in table.rglob("*.parquet")
        if path not in named
        and _is_data_file(path, lake)
        and path.read_bytes()[-4:] == b"PAR1"
    ]
