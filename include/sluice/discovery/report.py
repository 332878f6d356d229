"""What a discovery did, passed over or found too late: counts and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.discovery.watcher import Heartbeat
from sluice.model import LedgerFile
from sluice.options.incremental import Listing, ListingState, precedes

# A watcher may not have got to a younger file yet, so such a file is no miss.
_WATCH_DELAY = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What one discovery did, counted in files; ``high`` is the ledger's highest seq.

    ``waiting`` are younger than ``minFileAge``, ``outside`` not between
    ``modifiedAfter`` and ``modifiedBefore``.
    ``missed`` were found by this full listing only, of the ``since_full`` files that
    the ledger got since the last one; None where that is not known.
    """

    listing: Listing
    files: int
    bytes: int
    high: int
    waiting: int = 0
    outside: int = 0
    missed: int = 0
    since_full: int | None = None

    @property
    def miss_rate(self) -> str | None:
        """The measured miss rate in words, None where this listing measured none."""
        if self.since_full is None:
            return None
        return (
            f"full listing: {self.missed} of the {self.since_full} files since the "
            "last one had been missed"
        )


def count_missed(
    new: Sequence[LedgerFile],
    state: ListingState | None,
    watcher: Heartbeat | None,
    began: datetime,
) -> int:
    """Count the new files of a full listing that should have come before.

    Those that incremental listing passes over, where one was made since the last full
    listing; and those that landed a while ago under a watcher as old as that.
    """
    if state is None or state.full_at is None:
        return 0
    if watcher is not None and watcher.since <= state.full_at:
        return sum(file.modified < began - _WATCH_DELAY for file in new)
    if not state.increments:
        return 0
    return sum(precedes(file.path, state.cursors) for file in new)


def warnings_of(done: Discovery) -> Iterator[str]:
    """Yield a sentence for each count of files that are read late or not at all."""
    if done.missed:
        yield (
            f"{done.miss_rate}; a shorter cloudFiles.backfillInterval finds such files "
            "earlier"
        )
    if done.outside:
        yield (
            f"{done.outside} new files were modified outside of modifiedAfter and "
            "modifiedBefore and were passed over"
        )
