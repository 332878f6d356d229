"""What happened to files beyond being discovered and read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from sluice.ledger.events import (
    EventKind,
    LedgerEvent,
    Replayed,
    append_events,
    newest_events,
    read_events,
)
from support.delta_rows import read_delta

MOMENT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
REPLAYED = Replayed(table_version=17, rows=3, rescued_rows=1)


def event(
    seq: int | None,
    kind: EventKind = EventKind.ARCHIVED,
    *,
    detail: str = "deleted",
    minute: int = 0,
) -> LedgerEvent:
    """Return an event of a file."""
    moment = MOMENT + timedelta(minutes=minute)
    return LedgerEvent(
        kind=kind, seq=seq, path=f"/in/{seq}", detail=detail, run_id="run", at=moment
    )


@pytest.fixture
def location(tmp_path: Path) -> str:
    """Return where no events are kept yet."""
    return str(tmp_path / "events")


def test_event_comes_back_as_it_was_kept(location: str) -> None:
    """Its detail and its time are shown with the file."""
    kept = event(3, EventKind.REPLAYED, detail=REPLAYED.detail)
    append_events(location, [kept])

    (found,) = read_events(location)
    assert found == kept
    assert Replayed.of(found.detail) == REPLAYED


def test_events_are_asked_for_by_kind(location: str) -> None:
    """A replay must not read a million events of moved files."""
    append_events(location, [event(1), event(2, EventKind.REPLAYED)])

    assert [each.seq for each in read_events(location, EventKind.REPLAYED)] == [2]


def test_events_come_oldest_first(location: str) -> None:
    """The last word on a file counts."""
    append_events(location, [event(1, minute=2), event(2, minute=1)])
    append_events(location, [event(3)])

    assert [each.seq for each in read_events(location)] == [3, 2, 1]


def test_newest_event_of_each_file_counts(location: str) -> None:
    """A file may be replayed twice, and an append repeated after a crash."""
    for minute, detail in enumerate(["4", "9", "7"]):
        replayed = event(1, EventKind.REPLAYED, detail=detail, minute=[0, 2, 1][minute])
        append_events(location, [replayed, event(2, minute=minute)])

    found = newest_events(location, EventKind.REPLAYED)

    assert found.to_pylist() == [
        {"seq": 1, "detail": "9", "at": MOMENT + timedelta(minutes=2)}
    ]


def test_newest_events_are_asked_for_by_seq(location: str) -> None:
    """A page of files costs that page, however many were moved over the years."""
    append_events(location, [event(seq) for seq in (None, 1, 2, 3, 4)])

    found = newest_events(location, EventKind.ARCHIVED, after=1, up_to=3)

    assert found["seq"].to_pylist() == [2, 3]


def test_no_events_make_no_table(location: str) -> None:
    """Looking, and appending nothing, changes nothing."""
    append_events(location, [])

    assert read_events(location) == []
    assert newest_events(location, EventKind.ARCHIVED).num_rows == 0
    assert not Path(location).exists()


def test_racing_appends_keep_all(location: str) -> None:
    """Events need no order among writers, so none is refused."""
    racers = 4
    together = Barrier(racers)

    def append(racer: int) -> None:
        together.wait()
        append_events(location, [event(racer)])

    with ThreadPoolExecutor(racers) as pool:
        list(pool.map(append, range(racers)))

    assert sorted(read_delta(location)["seq"].to_pylist()) == list(range(racers))
