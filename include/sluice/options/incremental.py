"""Decide how much to list: everything, what sorts after the known names, or nothing.

What is kept between runs is an object beside the ledger. It says that every file up to
one seq sorts at or before one path, as computed from the ledger's own rows; so names
after that path need be compared only with the rows after that seq. An object that is
old, or overwritten by a slower process, says less and costs more, but says no wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from sluice.model import LedgerFile
from sluice.records import load_record, save_record

_KEY = "listing.json"
# As Auto Loader: every eighth listing is full where no backfillInterval says when.
MAX_INCREMENTS = 7
# So many full listings in a row must have found only names after all known ones.
ORDERLY = 3
WATCHED_INTERVAL = timedelta(days=1)


class IncrementalListing(StrEnum):
    """The values of ``cloudFiles.useIncrementalListing``."""

    FALSE = "false"
    TRUE = "true"
    AUTO = "auto"


class Listing(StrEnum):
    """How much of the landing folder a discovery listed."""

    FULL = "full"
    INCREMENTAL = "incremental"
    NONE = "none"


class ListingState(msgspec.Struct, frozen=True, kw_only=True):
    """What is known without listing: files up to ``seq`` are at or before ``cursors``.

    ``cursors`` holds the last path of each root that ``selection`` stands for: with
    other options it would say too much. ``full_seq`` and ``full_at`` are the
    ledger's highest seq at the last full listing, and when that began; ``increments``
    are the listings since then that were not full, ``in_order`` the full ones in a row
    whose new files all came after those known.
    """

    ledger: str
    selection: str
    seq: int
    cursors: dict[str, str]
    full_seq: int
    full_at: datetime | None
    increments: int = 0
    in_order: int = 0


def load_state(root: str, ledger_id: str, selection: str) -> ListingState | None:
    """Return what was kept beside the ledger at ``root``; None where it is no use."""
    # Where it is damaged a full listing makes a new one.
    state = load_record(root, _KEY, ListingState)
    if state is None or (state.ledger, state.selection) != (ledger_id, selection):
        return None
    return state


def save_state(root: str, state: ListingState) -> None:
    """Keep ``state`` beside the ledger at ``root``."""
    save_record(root, _KEY, state)


def plan_listing(
    mode: IncrementalListing,
    interval: timedelta | None,
    state: ListingState | None,
    *,
    watched: bool,
    now: datetime,
) -> Listing:
    """Decide how much to list: full where it is due, and in any doubt.

    ``interval`` is ``backfillInterval``; while a watcher is alive it is a day where
    none is given.
    """
    if watched:
        interval = interval or WATCHED_INTERVAL
    if state is None or state.full_at is None or _is_due(state, interval, now):
        return Listing.FULL
    if watched:
        return Listing.NONE
    if mode is IncrementalListing.FALSE:
        return Listing.FULL
    orderly = mode is IncrementalListing.TRUE or state.in_order >= ORDERLY
    spent = interval is None and state.increments >= MAX_INCREMENTS
    return Listing.INCREMENTAL if orderly and not spent else Listing.FULL


def _is_due(state: ListingState, interval: timedelta | None, now: datetime) -> bool:
    if interval is None or state.full_at is None:
        return False
    return now - state.full_at >= interval


def advance(
    cursors: Mapping[str, str], seq: int, rows: Iterable[LedgerFile], waiting: str
) -> tuple[int, dict[str, str]]:
    """Move seq and cursors on over ``rows``, in order of seq, up to ``waiting``.

    ``waiting`` is the first path of a file that is not in the ledger yet, empty where
    there is none: no cursor passes it, or incremental listing would never see it again.
    """
    moved = dict(cursors)
    for row in rows:
        if waiting and row.path >= waiting:
            break
        root = next((each for each in moved if is_below(row.path, each)), None)
        if root is not None:
            moved[root] = max(moved[root], row.path)
        seq = row.seq
    return seq, moved


def is_below(path: str, root: str) -> bool:
    """Return True if ``path`` is ``root`` or lies below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def precedes(path: str, cursors: Mapping[str, str]) -> bool:
    """Return True if a listing after ``cursors`` passes ``path`` over."""
    return any(is_below(path, root) and path <= end for root, end in cursors.items())
