"""The ledger in a bucket: who comes second in a race starts again, on S3 too."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from sluice.model import SeqRange
from sluice.source.events import EventKind, LedgerEvent
from sluice.source.ledger import Ledger

pytestmark = [pytest.mark.needs_s3, pytest.mark.timeout(900)]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TURNS = 6
RACER = """
import sys
from datetime import UTC, datetime
from sluice.model import FileVersion
from sluice.source.ledger import Ledger
location, racer, turns = sys.argv[1:]
ledger = Ledger.open_or_create(location)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(int(turns)):
    names = [f"{turn}-{number}" for number in range(3)] + [f"{turn}-{racer}"]
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ledger.append([FileVersion(name, 1, moment) for name in names], run_id=racer)
"""


def race(location: str, racers: tuple[str, ...]) -> list[int]:
    """Let processes discover the same files at once; return their exit codes."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, location, racer, str(TURNS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for racer in racers
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=120)
    return [process.returncode for process in started]


def test_racing_discoverers_double_nothing(bucket: str) -> None:
    """Two processes make the ledger and enter the same files in the same moment."""
    assert race(bucket, ("x", "y")) == [0, 0]

    ledger = Ledger.open(bucket)
    assert ledger is not None
    found = ledger.files()
    assert [file.seq for file in found] == list(range(1, 5 * TURNS + 1))
    assert len({file.path for file in found}) == 5 * TURNS


def test_racing_claims_have_one_end(bucket: str) -> None:
    """Of many drivers that plan from one start in one moment, one decides for all."""
    ledger = Ledger.open_or_create(bucket)
    racers = 4
    together = Barrier(racers)

    def claim(racer: int) -> int:
        together.wait()
        return ledger.claim(SeqRange(-1, racer + 1), run_id=str(racer))

    with ThreadPoolExecutor(racers) as pool:
        ends = set(pool.map(claim, range(racers)))

    assert ends == {ledger.claimed_end(-1)}
    assert len(ledger.claims()) == 1


def test_racing_events_are_all_kept(bucket: str) -> None:
    """Events never conflict, even where two processes make their table."""
    ledger = Ledger.open_or_create(bucket)
    racers = 4
    together = Barrier(racers)

    def append(racer: int) -> None:
        event = LedgerEvent(
            kind=EventKind.MISSED,
            seq=racer,
            path=f"{bucket}/{racer}",
            detail="",
            run_id="1",
            at=NOW,
        )
        together.wait()
        ledger.append_events([event])

    with ThreadPoolExecutor(racers) as pool:
        list(pool.map(append, range(racers)))

    assert {event.seq for event in ledger.events()} == set(range(racers))
