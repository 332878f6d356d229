"""The ledger's small files become few, and no row of it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.delta import compaction as module
from sluice.delta.compaction import Compaction, compact_table
from sluice.ledger.compact import compact_ledger
from sluice.ledger.events import EventKind, LedgerEvent
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion, SeqRange
from support.delta_rows import read_delta
from support.racing import race

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def version(name: str) -> FileVersion:
    """Return a file as a listing saw it."""
    return FileVersion(f"/in/{name}", 1, MOMENT)


def fill(ledger: Ledger, appends: int) -> None:
    """Append so many files, one at a time, claim each and record an event of it."""
    start = ledger.claimed_up_to()
    for number in range(appends):
        high = ledger.high_seq()
        ledger.append_new([version(f"{high}")], run_id=f"{number}")
        start = ledger.claim(SeqRange(start, high + 1), run_id=f"{number}")
        at = MOMENT + timedelta(minutes=start)
        event = LedgerEvent(
            kind=EventKind.REPLAYED, seq=start, path="x", detail="", run_id="r", at=at
        )
        ledger.append_events([event])


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return a ledger of five appends to each table."""
    ledger = Ledger.open_or_create(str(tmp_path))
    fill(ledger, 5)
    return ledger


def content(ledger: Ledger) -> tuple[object, ...]:
    """Return all that the ledger says."""
    return (
        ledger.ledger_id,
        ledger.files(),
        ledger.claims(),
        ledger.events(),
        ledger.high_seq(),
        ledger.claimed_up_to(),
    )


def test_compaction_changes_no_row(ledger: Ledger) -> None:
    """A seq is always one file, and a start always has one end."""
    before = content(ledger)

    done = compact_ledger(ledger.root, above=4)

    names = ("files", "claims", "events")
    assert done == dict.fromkeys(names, Compaction(5, 1))
    assert content(ledger) == before
    assert compact_ledger(ledger.root, above=4) == {}


def test_few_files_are_left_alone(ledger: Ledger) -> None:
    """A commit each hour for nothing would make the log longer, not shorter."""
    before = DeltaTable(f"{ledger.root}/files").version()

    assert compact_ledger(ledger.root, above=5) == {}
    assert DeltaTable(f"{ledger.root}/files").version() == before


def test_ledger_without_events_is_compacted(tmp_path: Path) -> None:
    """Their table is made with the first event."""
    ledger = Ledger.open_or_create(str(tmp_path))
    for name in "abc":
        ledger.append_new([version(name)], run_id="r")

    assert list(compact_ledger(ledger.root, above=2)) == ["files"]


def test_discovery_that_compared_before_a_compaction_appends(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its append is refused, compared with nothing new, and made."""
    stale = ledger.snapshot()
    compact_ledger(ledger.root, above=1)

    assert not stale.append([version("late")], run_id="r")
    assert ledger.append_new([version("late")], run_id="r", compared=stale)
    assert [file.seq for file in ledger.files()] == [1, 2, 3, 4, 5, 6]


def between(
    monkeypatch: pytest.MonkeyPatch, rival: Callable[[DeltaTable], object]
) -> None:
    """Let another process write once between a compaction's reading and its writing."""
    write, rivals = module.write_deltalake, iter([rival])

    def late(table: DeltaTable, *rows: object, **options: object) -> None:
        for each in rivals:
            each(table)
        write(table, *rows, **options)

    monkeypatch.setattr(module, "write_deltalake", late)


def test_append_during_a_compaction_is_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows read for the compaction are not all any more."""
    between(
        monkeypatch, lambda _: ledger.append_new([version("rival")], run_id="rival")
    )

    compact_ledger(ledger.root, above=4)

    assert [file.seq for file in ledger.files()] == [1, 2, 3, 4, 5, 6]
    assert len(ledger.append_new([version("rival")], run_id="r")) == 0


@pytest.mark.parametrize("name", ["files", "claims", "events"])
def test_of_two_compactions_one_is_refused(
    ledger: Ledger, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second would add every row again, as delta-rs's own ``optimize`` does."""
    before = content(ledger)
    location = f"{ledger.root}/{name}"
    between(monkeypatch, lambda _: compact_table(location, above=4))

    compact_table(location, above=4)

    assert content(ledger) == before
    assert DeltaTable(location).get_add_actions().num_rows == 1


@pytest.mark.parametrize("key", ["seq", None])
def test_large_files_are_left_alone(
    ledger: Ledger, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or every week the whole history would be written again."""
    location = f"{ledger.root}/files"
    compact_table(location, key=key, above=1)
    (large,) = DeltaTable(location).file_uris()
    fill(ledger, 3)
    before = content(ledger)
    monkeypatch.setattr(module, "LARGE_BYTES", Path(large).stat().st_size)

    done = compact_table(location, key=key, above=2)

    assert done == Compaction(4, 2 if key else 1)
    assert (large in DeltaTable(location).file_uris()) == bool(key)
    assert content(ledger) == before
    assert compact_table(location, key=key, above=1) is None


def test_transactions_outlive_compaction_checkpoint_and_log_cleanup(
    ledger: Ledger,
) -> None:
    """They hold the highest seq and the chain's end: lost, both would begin again."""
    before = content(ledger)
    compact_ledger(ledger.root, above=1)
    fill(ledger, 1)
    for name in ("files", "claims"):
        table = DeltaTable(f"{ledger.root}/{name}")
        table.create_checkpoint()
        long_ago = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
        for log in Path(ledger.root, name, "_delta_log").glob("*.json"):
            os.utime(log, (long_ago, long_ago))
        table.cleanup_metadata()
        left = list(Path(ledger.root, name, "_delta_log").glob("*.json"))
        assert len(left) <= 2

    after = content(ledger)

    assert after[1][:5] == before[1]
    assert (ledger.high_seq(), ledger.claimed_up_to()) == (6, 6)
    fill(ledger, 1)
    assert [file.seq for file in ledger.files()] == list(range(1, 8))


RACER = """
import sys
from datetime import UTC, datetime
from sluice.model import FileVersion, SeqRange
from sluice.ledger.compact import compact_ledger
from sluice.ledger.ledger import Ledger
location, racer, turns = sys.argv[1:]
ledger = Ledger.open_or_create(location)
print("ready", flush=True)
sys.stdin.readline()
moment = datetime(2026, 1, 1, tzinfo=UTC)
while racer.startswith("compact") and ledger.high_seq() < 3 * int(turns):
    compact_ledger(ledger.root, above=2)
for turn in range(0 if racer.startswith("compact") else int(turns)):
    names = [f"{turn}-shared", f"{turn}-{racer}"]
    ledger.append_new([FileVersion(name, 1, moment) for name in names], run_id=racer)
    start = ledger.claimed_up_to()
    while (end := ledger.claimed_end(start)) is not None:
        start = end
    if start < (high := ledger.high_seq()):
        ledger.claim(SeqRange(start, high), run_id=racer)
"""


@pytest.mark.parametrize("turns", [4, pytest.param(60, marks=pytest.mark.long)])
def test_compaction_races_with_discoverers_and_drivers(
    tmp_path: Path, turns: int
) -> None:
    """Nothing doubled, nothing lost, one chain: as without a compaction."""
    racers = ("x", "y", "compact1", "compact2")
    race(RACER, [(str(tmp_path), racer, str(turns)) for racer in racers])

    ledger = Ledger.open(str(tmp_path))
    assert ledger is not None
    files, claims = ledger.files(), ledger.claims()
    assert [file.seq for file in files] == list(range(1, 3 * turns + 1))
    assert len({file.path for file in files}) == 3 * turns
    ends = [-1, *(claim.range.end for claim in claims)]
    assert [claim.range.start for claim in claims] == ends[:-1]
    assert ledger.claimed_up_to() == ends[-1]
    for name in ("files", "claims"):
        stored = read_delta(f"{ledger.root}/{name}")
        assert stored.num_rows == len(files if name == "files" else claims)
    compacted = {
        name
        for name in ("files", "claims")
        for commit in DeltaTable(f"{ledger.root}/{name}").history()
        if commit["operationParameters"].get("mode") == "Overwrite"
    }
    # On a busy machine a short race may be over before both were.
    assert compacted == {"files", "claims"} if turns > 4 else compacted
