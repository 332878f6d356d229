"""Discover what has landed: the one module that knows the order of the steps.

List names, compare them with the ledger, look at those that are new, group them by age,
append them through the snapshot that was compared, report what was left out. Only the
append changes anything that matters; whatever fails before it is simply done again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sluice.discovery.compare import scan_new
from sluice.discovery.listing import list_landed
from sluice.discovery.progress import (
    Shown,
    is_kept,
    selection_id,
    state_after_full,
    state_after_increment,
)
from sluice.discovery.report import (
    Discovery,
    count_missed,
    warnings_of,
)
from sluice.discovery.watcher import Heartbeat, read_heartbeat
from sluice.ledger.files import FilesSnapshot
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion, LedgerFile
from sluice.options.filters import AgeGroups, group_by_age
from sluice.options.incremental import (
    Listing,
    ListingState,
    load_state,
    plan_listing,
    save_state,
)
from sluice.options.options import CloudFilesOptions

__all__ = ["Discovery", "Found", "discover", "find_among", "find_new", "record_found"]
_LOG = logging.getLogger("sluice")


@dataclass(frozen=True, kw_only=True)
class Found:
    """New files, before anything is changed, and what they were compared with."""

    began: datetime
    snapshot: FilesSnapshot | None
    files: AgeGroups
    listing: Listing = Listing.FULL
    state: ListingState | None = None
    watcher: Heartbeat | None = None


def discover(
    ledger: Ledger,
    options: CloudFilesOptions,
    *,
    run_id: str,
    listing: Listing | None = None,
    snapshot: FilesSnapshot | None = None,
) -> Discovery:
    """Append what is new to the ledger, and count what was passed over.

    May be repeated and may run beside others: no file and no seq comes twice. How much
    is listed follows from the options and what was kept, unless ``listing`` says it.
    A ``snapshot`` of the ledger that is open already is compared with.

    Raises:
        UsageError: there is no such folder.
        FatalError: a file's name is not UTF-8, or the ledger lacks rows.
        RetryableError: other discoverers were faster all the time.
    """
    found = find_new(ledger, options, listing=listing, snapshot=snapshot)
    return record_found(ledger, options, found, run_id=run_id)


def record_found(
    ledger: Ledger, options: CloudFilesOptions, found: Found, *, run_id: str
) -> Discovery:
    """Append the files of ``found`` that are to be read, and report the others.

    Raises:
        RetryableError: other discoverers were faster all the time.
    """
    new = ledger.append_new(
        found.files.taken,
        run_id=run_id,
        by_version=options.allow_overwrites,
        compared=found.snapshot,
    )
    if not options.include_existing:
        ledger.skip_existing()
    done = _summary(found, new, missed=_count_missed(found, new))
    _keep(ledger, options, found)
    for text in warnings_of(done):
        _LOG.warning("discovery in %r: %s", options.path, text)
    return done


def find_new(
    ledger: Ledger | None,
    options: CloudFilesOptions,
    *,
    listing: Listing | None = None,
    snapshot: FilesSnapshot | None = None,
) -> Found:
    """Return the files that the ledger does not hold; changes nothing.

    Raises:
        UsageError: there is no such folder.
        FatalError: a file's name is not UTF-8, or the ledger lacks rows.
    """
    if ledger is None:
        return find_among(options, list_landed(options))
    began = datetime.now(UTC)
    selection = selection_id(options)
    state = load_state(ledger.root, ledger.ledger_id, selection)
    watcher = read_heartbeat(ledger.root, ledger.ledger_id, selection, began)
    listing = listing or plan_listing(
        options.incremental_listing,
        options.backfill_interval,
        state,
        watched=watcher is not None,
        now=began,
    )
    snapshot = snapshot or ledger.snapshot()
    files: Iterable[FileVersion] = ()
    if listing is not Listing.NONE:
        start = state if listing is Listing.INCREMENTAL else None
        files = scan_new(snapshot, options, start)
    found = find_among(options, files, snapshot=snapshot)
    return replace(found, listing=listing, began=began, state=state, watcher=watcher)


def find_among(
    options: CloudFilesOptions,
    files: Iterable[FileVersion],
    *,
    snapshot: FilesSnapshot | None = None,
) -> Found:
    """Return what becomes of ``files``, none of which is in ``snapshot``."""
    began = datetime.now(UTC)
    groups = group_by_age(list(files), options.age_rules, began)
    return Found(began=began, snapshot=snapshot, files=groups)


def _count_missed(found: Found, new: Sequence[LedgerFile]) -> int:
    if found.listing is not Listing.FULL:
        return 0
    return count_missed(new, found.state, found.watcher, found.began)


def _summary(found: Found, new: Sequence[LedgerFile], *, missed: int) -> Discovery:
    base = found.snapshot.high if found.snapshot else 0
    high = new[-1].seq if new else base
    full = found.state if found.listing is Listing.FULL else None
    return Discovery(
        listing=found.listing,
        files=len(new),
        bytes=sum(file.size for file in new),
        high=high,
        waiting=len(found.files.waiting),
        outside=len(found.files.outside),
        missed=missed,
        since_full=high - full.full_seq if full else None,
    )


def _keep(ledger: Ledger, options: CloudFilesOptions, found: Found) -> None:
    """Keep what the listing has shown, where a later one may list less for it."""
    watched = found.watcher is not None
    if found.snapshot is None or not is_kept(options, watched=watched):
        return
    shown = Shown(found.snapshot, found.began, found.files.waiting)
    if found.listing is Listing.FULL:
        save_state(ledger.root, state_after_full(ledger, options, shown, found.state))
    elif found.listing is Listing.INCREMENTAL and found.state:
        save_state(ledger.root, state_after_increment(ledger, shown, found.state))
