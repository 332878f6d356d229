"""Keep what a listing has shown, so that a later one may list less."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import msgspec

from sluice.discovery.listing import selection_of
from sluice.ledger.files import FilesSnapshot
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion, LedgerFile
from sluice.options.incremental import (
    IncrementalListing,
    ListingState,
    advance,
    precedes,
)
from sluice.options.options import CloudFilesOptions


def selection_id(options: CloudFilesOptions) -> str:
    """Return a text that differs for options which let other files through."""
    chosen = [
        options.path,
        options.path_glob_filter,
        options.recursive,
        options.strict_globber,
        options.allow_overwrites,
        str(options.age_rules),
    ]
    return sha256(json.dumps(chosen).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Shown:
    """One listing: what it was compared with, its begin, the files not appended yet."""

    compared: FilesSnapshot
    began: datetime
    waiting: Sequence[FileVersion]


def state_after_full(
    ledger: Ledger,
    options: CloudFilesOptions,
    shown: Shown,
    before: ListingState | None,
) -> ListingState:
    """Return what a full listing has shown; its new files are appended already."""
    incremental = options.incremental_listing is not IncrementalListing.FALSE
    roots = selection_of(options).roots if incremental else ()
    compared = shown.compared
    cursors = {root: compared.last_path(root) for root in roots}
    rows = ledger.files(after=compared.high)
    # What waits before a cursor would never be listed again but by a full listing.
    hidden = any(precedes(file.path, cursors) for file in shown.waiting)
    seq, moved = advance(cursors, compared.high, rows, _first(shown.waiting))
    return ListingState(
        ledger=ledger.ledger_id,
        selection=selection_id(options),
        seq=seq,
        cursors=moved,
        full_seq=max([compared.high, *(row.seq for row in rows[-1:])]),
        full_at=None if hidden else shown.began,
        in_order=_in_order(rows, cursors, before.in_order if before else 0),
    )


def state_after_increment(
    ledger: Ledger, shown: Shown, before: ListingState
) -> ListingState:
    """Return what a listing after ``before`` has shown."""
    rows = ledger.files(after=before.seq)
    seq, cursors = advance(before.cursors, before.seq, rows, _first(shown.waiting))
    return msgspec.structs.replace(
        before, seq=seq, cursors=cursors, increments=before.increments + 1
    )


def is_kept(options: CloudFilesOptions, *, watched: bool) -> bool:
    """Return True if anything of a listing need be kept for the next one."""
    lists_less = options.incremental_listing is not IncrementalListing.FALSE
    return lists_less or watched or options.backfill_interval is not None


def _in_order(rows: Sequence[LedgerFile], cursors: dict[str, str], before: int) -> int:
    if not rows:
        return before
    return 0 if any(precedes(row.path, cursors) for row in rows) else before + 1


def _first(waiting: Sequence[FileVersion]) -> str:
    return min((file.path for file in waiting), default="")
