"""Discovery beside a watcher."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from sluice.discovery.progress import selection_id
from sluice.discovery.watcher import LIFETIME, Heartbeat, beat
from sluice.options.incremental import (
    Listing,
)
from support.landing import DAY, Landing

# A watcher


def watched_by(landing: Landing, *, since: timedelta) -> None:
    """Let a watcher be alive beside the ledger."""
    now = datetime.now(UTC)
    ledger = landing.ledger
    sign = Heartbeat(
        ledger=ledger.ledger_id,
        selection=selection_id(landing.options),
        holder="test",
        since=now - since,
        expires=now + LIFETIME,
    )
    beat(ledger.root, sign)


def test_under_a_watcher_misses_are_counted_by_the_full_listing(
    landing: Landing, opened: list[str]
) -> None:
    """Runs list nothing in between, so the proof must come every interval."""
    watched_by(landing, since=2 * DAY)
    landing.land("a.json", age=600)
    assert landing.discover().listing is Listing.FULL
    opened.clear()
    landing.land("missed.json", age=600)
    landing.land("underway.json", age=1)
    assert landing.discover().listing is Listing.NONE
    assert opened == []
    landing.set_last_full(DAY)

    done = landing.discover()

    assert (done.listing, done.files, done.missed) == (Listing.FULL, 2, 1)


def test_files_from_before_the_watcher_are_no_misses(landing: Landing) -> None:
    """It was not there to see them."""
    watched_by(landing, since=2 * DAY)
    landing.land("a.json", age=600)
    landing.discover()
    watched_by(landing, since=timedelta(hours=1))
    landing.set_last_full(DAY)
    landing.land("b.json", age=600)

    done = landing.discover()

    assert (done.files, done.missed) == (1, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sign: {**sign, "expires": "2020-01-01T00:00:00Z"},
        lambda sign: {**sign, "expires": "2999-01-01T00:00:00Z"},
        lambda sign: {**sign, "selection": "others"},
        lambda sign: {**sign, "ledger": "other"},
        lambda sign: {},
    ],
    ids=["dead", "wrong clock", "other files", "other ledger", "damaged"],
)
def test_run_lists_by_itself_without_a_living_watcher(
    landing: Landing, spoil: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    """A file must not wait for a watcher that is gone, or watches something else."""
    watched_by(landing, since=DAY)
    landing.discover()
    path = Path(landing.ledger.root, "watch.json")
    path.write_bytes(msgspec.json.encode(spoil(msgspec.json.decode(path.read_bytes()))))
    landing.land("a.json")

    done = landing.discover()

    assert (done.listing, done.files) == (Listing.FULL, 1)
