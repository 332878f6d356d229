"""A run crashed at every one of its writes to storage: every row once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path
from shutil import rmtree

import pytest

from sluice.audit.run import run_audit
from support import every_write
from support.delta_rows import read_delta
from support.held_writes import HeldRun, can_hold
from support.lakes import Lake

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_hold(), reason="needs Linux's seccomp notifications"),
]

# Parts of the long test that may run beside each other.
SHARES = 4
# Of each the end of the name that is about to be written when the run is killed.
STEPS = {
    "query id": "checkpoints/orders/bronze/metadata",
    "ledger made": f"_ledger/files/_delta_log/{0:020}.json",
    "ledger append": f"_ledger/files/_delta_log/{1:020}.json",
    "lease": "_control/bronze/lease/1.json",
    "claim": f"_ledger/claims/_delta_log/{1:020}.json",
    "offset log": "checkpoints/orders/bronze/offsets/1",
    "quarantine": "_ledger/quarantine/3.json",
    "Delta commit": f"bronze/orders/_delta_log/{1:020}.json",
    "commit log": "checkpoints/orders/bronze/commits/1",
    "batches archived": f"ops/batches/_delta_log/{1:020}.json",
    "files archived": f"ops/batch_files/_delta_log/{1:020}.json",
    "step recorded": f"ops/steps/_delta_log/{1:020}.json",
}


@pytest.mark.parametrize("only", ["names", pytest.param("all", marks=pytest.mark.long)])
def test_run_crashed_at_every_write_reads_every_file_once(
    tmp_path: Path, only: str
) -> None:
    """Whatever the crash left half done, the next run finds it and goes on from it."""
    attempts = crash_at_every_write("support.crash_scenarios:RUN", tmp_path, only)

    missed = [
        step
        for step, end in STEPS.items()
        if not any(path.endswith(end) for path in attempts)
    ]
    assert not missed
    for number in range(1, len(attempts) + 2):
        assert_read_once(Lake(tmp_path / str(number)))


@pytest.mark.long
def test_clean_up_crashed_at_every_write_loses_no_file(tmp_path: Path) -> None:
    """A moved file is in one of two places, and its rows stay where they are."""
    attempts = crash_at_every_write("support.crash_scenarios:MOVE", tmp_path, "all")

    for number in range(1, len(attempts) + 2):
        place = tmp_path / str(number)
        lake = Lake(place)
        assert not list(lake.landing.glob("*.json")), place
        moved = sorted(path.name for path in (place / "moved").rglob("*.json"))
        assert moved == ["000.json", "001.json"], place
        assert lake.bronze_rows().total() == 14, place
        assert set(lake.bronze_rows().values()) == {1}, place


@pytest.mark.long
@pytest.mark.parametrize("scenario", ["REPAIR", "REBUILD"])
def test_repair_crashed_at_every_write_reads_every_file_once(
    tmp_path: Path, scenario: str
) -> None:
    """A repair that was cut off goes on where it was when it is called again."""
    name = f"support.crash_scenarios:{scenario}"
    attempts = crash_at_every_write(name, tmp_path, "all")

    for number in range(1, len(attempts) + 2):
        lake = Lake(tmp_path / str(number))
        assert lake.bronze_rows() == lake.landed_rows(), lake.folder
        report = run_audit(lake.config, run_id="audit")
        assert report.verdict != "error", (lake.folder, report.findings)


@pytest.mark.long
@pytest.mark.needs_java
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("first", range(1, SHARES + 1))
def test_spark_crashed_at_every_write_reads_every_file_once(
    tmp_path: Path, first: int
) -> None:
    """Bronze and silver with a real Spark, whose writes are the JVM's and Python's."""
    for number in count(first, SHARES):
        folder = tmp_path / str(number)
        folder.mkdir()
        lake = Lake(folder, **{"cloudFiles.maxFilesPerTrigger": 2})
        lake.land(3)
        was_killed = kill_at_write(lake, number)
        lake.land(1)
        assert subprocess.run(lake.command(), check=False).returncode == 0, number

        assert lake.bronze_rows() == lake.landed_rows(), number
        assert lake.silver_windows() == lake.closed_windows(), number
        report = run_audit(lake.config, run_id="audit")
        assert report.verdict == "ok", (number, report.findings)
        if not was_killed:
            return
        rmtree(folder)


def kill_at_write(lake: Lake, number: int) -> bool:
    """Run and kill before a write; false where there are fewer of them."""
    with HeldRun.start(lake.command(), lake.folder) as run:
        for done, _ in enumerate(run.writes(), start=1):
            if done == number:
                run.kill()
                return True
        assert run.process.wait() == 0
    return False


def crash_at_every_write(scenario: str, folder: Path, only: str) -> list[str]:
    """Return the paths before whose writing the scenario was killed, in order."""
    command = [sys.executable, "-m", every_write.__name__, scenario, str(folder), only]
    done = subprocess.run(
        command,
        capture_output=True,
        cwd=Path(__file__).parents[1],
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"after {done.stdout}\n{done.stderr}"
    *killed, whole = [json.loads(line)["path"] for line in done.stdout.splitlines()]
    assert whole is None
    return killed


def assert_read_once(lake: Lake) -> None:
    """Hold table, ledger, archive and audit against what has landed."""
    assert lake.bronze_rows() == lake.landed_rows(), lake.folder
    files = read_delta(lake.ledger / "files")
    assert sorted(files["seq"].to_pylist()) == [1, 2, 3], lake.folder
    assert len(set(files["path"].to_pylist())) == 3, lake.folder
    claims = read_delta(lake.ledger / "claims").to_pylist()
    chain = sorted((each["start_seq"], each["end_seq"]) for each in claims)
    assert chain == [(-1, 2), (2, 3)], lake.folder
    archived = read_delta(lake.config.ops_location("batches"))["batch_id"]
    assert sorted(archived.to_pylist()) == [0, 1], lake.folder
    counted = read_delta(lake.config.ops_location("batch_files")).to_pylist()
    assert Counter(each["seq"] for each in counted) == {1: 1, 2: 1, 3: 1}, lake.folder
    report = run_audit(lake.config, run_id="audit")
    assert report.verdict != "error", report.findings
