from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.model import LedgerFile
from sluice.options.incremental import (
    MAX_INCREMENTS,
    ORDERLY,
    IncrementalListing,
    Listing,
    ListingState,
    advance,
    load_state,
    plan_listing,
    precedes,
    save_state,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def state(**fields: object) -> ListingState:
    """Return what is kept an hour after a full listing."""
    return ListingState(
        **{
            "ledger": "id",
            "selection": "all",
            "seq": 3,
            "cursors": {"/in": "/in/c"},
            "full_seq": 3,
            "full_at": NOW - HOUR,
            **fields,
        }
    )


def planned(
    mode: str = "false",
    interval: timedelta | None = None,
    kept: ListingState | None = None,
    *,
    watched: bool = False,
) -> Listing:
    """Return how much is listed now."""
    return plan_listing(
        IncrementalListing(mode), interval, kept, watched=watched, now=NOW
    )


def test_everything_is_listed_unless_asked_otherwise() -> None:
    """Which costs a name per file, and misses nothing."""
    assert planned("false", None, state()) is Listing.FULL
    assert planned("false", DAY, state()) is Listing.FULL


@pytest.mark.parametrize("mode", ["true", "auto"])
def test_first_listing_is_full(mode: str) -> None:
    """There is no name yet to begin after."""
    assert planned(mode, DAY, None) is Listing.FULL
    assert planned(mode, DAY, state(full_at=None)) is Listing.FULL


def test_full_listing_comes_every_interval() -> None:
    """It proves that nothing was missed, so it is never left out."""
    assert planned("true", DAY, state()) is Listing.INCREMENTAL
    assert planned("true", DAY, state(increments=99)) is Listing.INCREMENTAL
    assert planned("true", HOUR, state()) is Listing.FULL
    assert planned("true", HOUR + HOUR, state()) is Listing.INCREMENTAL


def test_without_interval_each_eighth_listing_is_full() -> None:
    """As Auto Loader does, or a missed file would never be found."""
    spent = state(increments=MAX_INCREMENTS)

    assert planned("true", None, state(increments=6)) is Listing.INCREMENTAL
    assert planned("true", None, spent) is Listing.FULL


def test_auto_waits_until_names_have_come_in_order() -> None:
    """A folder whose names do not grow is better listed in full."""
    assert planned("auto", DAY, state(in_order=ORDERLY - 1)) is Listing.FULL
    assert planned("auto", DAY, state(in_order=ORDERLY)) is Listing.INCREMENTAL


def test_under_a_watcher_nothing_is_listed_until_it_is_due() -> None:
    """A day where no interval is given: the miss rate must be measured."""
    assert planned("false", None, state(), watched=True) is Listing.NONE
    assert planned("false", None, None, watched=True) is Listing.FULL
    day_old = state(full_at=NOW - DAY)
    assert planned("false", None, day_old, watched=True) is Listing.FULL
    assert planned("false", HOUR, state(), watched=True) is Listing.FULL


def row(seq: int, path: str) -> LedgerFile:
    """Return a row of the ledger."""
    return LedgerFile(seq, path, 1, NOW)


def test_cursor_moves_to_the_last_name_of_each_root() -> None:
    """Roots grow each by itself."""
    rows = [row(4, "/a/5"), row(5, "/b/1"), row(6, "/a/3"), row(7, "/elsewhere")]

    assert advance({"/a": "", "/b": "/b/7"}, 3, rows, "") == (
        7,
        {"/a": "/a/5", "/b": "/b/7"},
    )


def test_cursor_does_not_pass_a_file_that_waits() -> None:
    """Incremental listing would never see it again."""
    rows = [row(4, "/a/1"), row(5, "/a/4"), row(6, "/a/2")]

    assert advance({"/a": ""}, 3, rows, "/a/3") == (4, {"/a": "/a/1"})


@given(
    names=st.lists(st.text("abc", min_size=1, max_size=3), unique=True),
    waiting=st.text("abc", max_size=3),
)
def test_files_up_to_the_seq_are_never_after_the_cursor(
    names: list[str], waiting: str
) -> None:
    """Names after it are compared with later rows only: so no seq is given twice."""
    rows = [row(seq, f"/in/{name}") for seq, name in enumerate(names, start=1)]
    first = f"/in/{waiting}" if waiting else ""

    seq, cursors = advance({"/in": ""}, 0, rows, first)

    assert all(precedes(each.path, cursors) for each in rows if each.seq <= seq)
    assert not first or not precedes(first, cursors)


def test_state_comes_back_for_its_own_ledger_and_options(tmp_path: Path) -> None:
    """For others it would say too much, and files would be missed."""
    root = str(tmp_path)
    assert load_state(root, "id", "all") is None
    save_state(root, state())

    assert load_state(root, "id", "all") == state()
    assert load_state(root, "other", "all") is None
    assert load_state(root, "id", "some") is None
    (tmp_path / "listing.json").write_text('{"ledger": 1')
    assert load_state(root, "id", "all") is None
