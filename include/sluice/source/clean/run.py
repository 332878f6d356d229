"""Clean a landing folder, in order: finish what was begun, prove, remove, record.

A file is moved or deleted only when everybody who reads the folder is proven to have
its rows, it still is the version that was read, and the retention since its commit has
passed. In doubt it stays, and is counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from sluice.errors import Condition, FatalError
from sluice.model import LedgerFile
from sluice.source.clean.consumers import Reader, Registry, blocked
from sluice.source.clean.decide import Outcome, Stay
from sluice.source.clean.evidence import Witnesses, files_of, look_at
from sluice.source.clean.options import CleanMode
from sluice.source.clean.remove import Remover
from sluice.source.clean.state import Begun, Progress, read_progress, write_progress
from sluice.source.discover import selection_of
from sluice.source.ledger import Ledger
from sluice.source.options import CloudFilesOptions

_LOG = logging.getLogger(__name__)
# So many files are proven by one query of each table, and recorded by one commit.
CHUNK = 500
_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What is to be cleaned, and for whom.

    ``read_up_to`` is how far a stream itself has come, None for a pipeline, whose
    tables tell. ``blocked_by`` says why nothing may be removed, if there is a reason.
    """

    me: Reader
    options: CloudFilesOptions
    run_id: str
    now: datetime
    read_up_to: int | None = None
    blocked_by: str | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger of the stream that cleans."""
        return self.me.ledger


@dataclass
class Cleaned:
    """What one cleaning did: files by outcome, and why those that stay do."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    reasons: dict[str, list[str]] = field(default_factory=dict)

    def count(self, path: str, stay: Stay | None) -> None:
        """Count a file: one that stays with the reason, one that went without."""
        self.counts[stay.outcome if stay else Outcome.CLEANED] += 1
        if stay:
            self.reasons.setdefault(f"{stay.outcome}: {stay.reason}", []).append(path)

    def fail(self, reason: str) -> None:
        """Count what went wrong with no file of its own."""
        self.counts[Outcome.FAILED] += 1
        self.reasons.setdefault(reason, [])

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each reason for which files stay, with examples."""
        return tuple(
            f"{reason}: {len(paths)} files, such as {', '.join(paths[:_EXAMPLES])}"
            if paths
            else reason
            for reason, paths in self.reasons.items()
        )


def clean_source(asked: Cleaning) -> Cleaned:
    """Remove what may go; a cleaning that a kill cut off is finished first.

    What stands in the way of all of it is told and counted, never an error: the rows
    are in the table. Calling it again, or twice at once, removes nothing twice.

    Raises:
        FatalError: the ledger of the stream itself is damaged.
    """
    done = Cleaned()
    try:
        _finish_begun(asked, done)
        if asked.options.clean_source is not CleanMode.OFF:
            _clean(asked, done)
    except FatalError as error:
        if error.condition is not Condition.CLEANING_BLOCKED:
            raise
        done.fail(error.message)
    for note in done.notes:
        _LOG.warning("cleanSource: %s", note)
    return done


def _finish_begun(asked: Cleaning, done: Cleaned) -> None:
    """Go on with the files of which a kill left the removal half done."""
    progress = read_progress(asked.ledger)
    if progress.begun is None:
        return
    remover = _remover(asked, progress.begun)
    files = files_of(asked.ledger, progress.begun.seqs)
    left = [file for file in files if remover.began(file)]
    # Those of which nothing was done are proven anew.
    untouched = {file.seq for file in look_at(files)} - {file.seq for file in left}
    waiting = tuple(sorted({*progress.waiting, *untouched}))
    progress = msgspec.structs.replace(progress, waiting=waiting)
    _remove(remover, left, progress, done)


def _clean(asked: Cleaning, done: Cleaned) -> None:
    if asked.blocked_by:
        raise blocked(asked.blocked_by)
    witnesses = Witnesses(asked.me, asked.read_up_to)
    cutoff = asked.now - asked.options.clean_retention
    progress = read_progress(asked.ledger)
    high = witnesses.committed_before(cutoff)
    for files in _candidates(asked.ledger, progress, high):
        # Read anew each time: whoever has registered since may want these files.
        registry = Registry()
        stays = witnesses.judge(files, registry, cutoff)
        for file, stay in stays.items():
            if stay:
                done.count(file.path, stay)
        progress = _settled(progress, stays)
        ready = [file for file, stay in stays.items() if stay is None]
        if ready:
            begun = Begun(
                mode=asked.options.clean_source,
                destination=asked.options.move_destination,
                seqs=tuple(file.seq for file in ready),
                readers=tuple(registry.consumers()),
            )
            write_progress(asked.ledger, msgspec.structs.replace(progress, begun=begun))
            progress = _remove(_remover(asked, begun), ready, progress, done)
    write_progress(asked.ledger, progress)


def _candidates(
    ledger: Ledger, progress: Progress, high: int
) -> Iterator[list[LedgerFile]]:
    """Yield the committed files that are not settled yet, some hundred at a time."""
    fresh = ledger.files(after=progress.up_to, up_to=high)
    files = sorted([*files_of(ledger, progress.waiting), *fresh])
    for first in range(0, len(files), CHUNK):
        yield files[first : first + CHUNK]


def _remover(asked: Cleaning, begun: Begun) -> Remover:
    roots = selection_of(asked.options).roots
    return Remover(me=asked.me, roots=roots, run_id=asked.run_id, begun=begun)


def _remove(
    remover: Remover, files: Sequence[LedgerFile], progress: Progress, done: Cleaned
) -> Progress:
    """Remove ``files``; return and keep how far cleaning has come then."""
    stays = remover.remove(files)
    for file, stay in stays.items():
        done.count(file.path, stay)
    for trouble in remover.troubles:
        done.fail(trouble)
    left = tuple(file.seq for file in files if remover.began(file))
    begun = msgspec.structs.replace(remover.begun, seqs=left) if left else None
    progress = msgspec.structs.replace(_settled(progress, stays), begun=begun)
    write_progress(remover.me.ledger, progress)
    return progress


def _settled(progress: Progress, stays: Mapping[LedgerFile, Stay | None]) -> Progress:
    """Let the files that need not be looked at again pass out of sight."""
    looked_at = {file.seq for file in stays}
    open_still = {
        file.seq for file, stay in stays.items() if stay and not stay.outcome.is_final
    }
    waiting = tuple(sorted((set(progress.waiting) - looked_at) | open_still))
    up_to = max([progress.up_to, *looked_at])
    return msgspec.structs.replace(progress, up_to=up_to, waiting=waiting)
