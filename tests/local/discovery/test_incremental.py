"""Incremental listing: what it costs, and what it may not miss."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluice.ledger import ledger as ledger_module
from sluice.options.incremental import (
    IncrementalListing,
    Listing,
)
from support.landing import DAY, Landing

# Incremental listing


@pytest.fixture
def growing(landing: Landing) -> Landing:
    """Return a folder a day, of which all files are known, listed incrementally."""
    for day in ("01", "02", "03"):
        landing.land(*(f"{day}/{hour:02}.json" for hour in range(5)), age=60)
    landing.discover(incremental_listing=IncrementalListing.TRUE, backfill_interval=DAY)
    return landing


def test_incremental_listing_costs_what_is_new(
    growing: Landing, looked: list[str], opened: list[str], rows_read: list[int]
) -> None:
    """Neither folders nor rows of what is known are read, however many they are."""
    growing.land("03/05.json", "04/00.json")
    looked.clear()

    done = growing.discover()

    assert (done.files, done.listing) == (2, Listing.INCREMENTAL)
    assert sorted(looked) == ["00.json", "05.json"]
    assert sorted(opened) == ["03", "04", "in"]
    assert sum(rows_read) <= 4


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the number of rows of each read is added."""
    counts: list[int] = []
    batches = ledger_module.FilesSnapshot.batches
    files = ledger_module.FilesSnapshot.files

    def counted(self, columns, *, after=0):
        for batch in batches(self, columns, after=after):
            counts.append(batch.num_rows)
            yield batch

    def counted_files(self, after=0, up_to=None):
        found = files(self, after, up_to)
        counts.append(len(found))
        return found

    monkeypatch.setattr(ledger_module.FilesSnapshot, "batches", counted)
    monkeypatch.setattr(ledger_module.FilesSnapshot, "files", counted_files)
    return counts


def test_name_out_of_order_is_found_by_the_full_listing_and_reported(
    growing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    """Other loaders never find it; here the miss rate is measured."""
    growing.land("02/99.json", "04/00.json")
    assert growing.discover().files == 1
    assert growing.discover().files == 0
    growing.set_last_full(2 * DAY)

    done = growing.discover()

    assert (done.listing, done.files, done.missed) == (Listing.FULL, 1, 1)
    assert done.since_full == 2
    assert "1 of the 2 files since the last one had been missed" in caplog.text
    assert growing.discover().listing is Listing.INCREMENTAL


def test_young_file_is_not_passed_by_the_cursor(growing: Landing) -> None:
    """A younger name that waits must be found by the next incremental listing."""
    growing.options = replace(growing.options, min_file_age=timedelta(seconds=30))
    assert growing.discover().listing is Listing.FULL  # the rules have changed
    growing.land("04/01.json", age=0)
    growing.land("04/02.json", age=60)
    assert growing.discover().files == 1
    growing.land("04/01.json", age=60)

    done = growing.discover()

    assert (done.files, done.listing) == (1, Listing.INCREMENTAL)
    assert growing.discover().files == 0


def test_young_file_behind_the_cursor_makes_the_next_listing_full(
    growing: Landing,
) -> None:
    """Found by a full listing, it would never be seen by another kind."""
    growing.land("02/99.json", age=0)
    assert growing.discover(min_file_age=timedelta(seconds=30)).waiting == 1
    growing.land("02/99.json", age=60)

    done = growing.discover()

    assert (done.files, done.listing) == (1, Listing.FULL)


def test_old_or_damaged_state_doubles_nothing(growing: Landing) -> None:
    """What is kept beside the ledger is for speed only."""
    kept = Path(growing.ledger.root, "listing.json")
    old = kept.read_bytes()
    growing.land("04/00.json")
    growing.discover()
    kept.write_bytes(old)
    assert growing.discover().files == 0
    kept.write_bytes(b"{")
    assert growing.discover().files == 0
    kept.unlink()

    assert growing.discover().files == 0
    assert len(set(growing.names())) == len(growing.names()) == 16


def test_auto_begins_once_names_have_come_in_order(landing: Landing) -> None:
    """And ends with the first that has not."""
    landing.options = replace(
        landing.options, incremental_listing=IncrementalListing.AUTO
    )
    seen = []
    for number in range(5):
        landing.land(f"{number + 1}.json")
        seen.append(landing.discover().listing)
    assert seen == [Listing.FULL] * 3 + [Listing.INCREMENTAL] * 2
    landing.land("0.json")
    later = [landing.discover() for _ in range(7)]

    found = next(each for each in later if each.files)
    assert (found.listing, found.missed) == (Listing.FULL, 1)
    assert later[-1].listing is Listing.FULL
