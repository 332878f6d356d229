"""Clean a landing folder, in order: finish what was begun, prove, remove, record.

A file is moved or deleted only when its rows are proven to be committed, it still is
the version that was read, and the retention since its commit has passed. Otherwise it
stays, and is counted.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import pyarrow as pa
from deltalake.exceptions import DeltaError
from obstore.exceptions import BaseError

from sluice import storage
from sluice.cleanup.decide import Outcome, Stay, stay_of
from sluice.cleanup.proof import Prover, Unproven
from sluice.cleanup.remove import Remover, first_line
from sluice.cleanup.state import Begun, Progress, read_progress, write_progress
from sluice.delta.log import open_table
from sluice.delta.tables import any_of, read_table
from sluice.discovery.listing import selection_of
from sluice.errors import SluiceError
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile
from sluice.options.clean import CleanMode
from sluice.options.options import CloudFilesOptions
from sluice.paths import is_local, join
from sluice.storage import FileStatus

_LOG = logging.getLogger(__name__)
# So many files are proven by one query of the table, and recorded by one commit.
CHUNK = 500
# A chunk spans no more of the ledger: a few old files wait among many settled ones.
_SPAN = 100_000
_EXAMPLES = 3
_REQUESTS = 16
_UNREADABLE = (SluiceError, DeltaError, pa.ArrowException, OSError, BaseError)
_Stays = dict[LedgerFile, Stay | None]


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What is to be cleaned.

    by: names the reader in the ledger.
    blocked_by: says why nothing may be removed, if there is a reason.
    """

    ledger: Ledger
    options: CloudFilesOptions
    prover: Prover
    by: str
    run_id: str
    now: datetime
    blocked_by: str | None = None


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
        self.reasons.setdefault(f"no file is moved or deleted: {reason}", [])

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

    What prevents it is counted and logged, never an error: the rows are in the table.
    Calling it again, or twice at once, removes nothing twice.

    Raises:
        FatalError: the ledger is damaged.
    """
    done = Cleaned()
    _finish_begun(asked, done)
    if asked.options.clean_source is not CleanMode.OFF:
        if asked.blocked_by:
            done.fail(asked.blocked_by)
        else:
            _clean(asked, done)
    for note in done.notes:
        _LOG.warning("cleanSource: %s", note)
    return done


def _finish_begun(asked: Cleaning, done: Cleaned) -> None:
    """Go on with the files whose removal a kill left half done."""
    progress = read_progress(asked.ledger)
    if progress.begun is None:
        return
    remover = _remover(asked, progress.begun)
    files = _files_of(asked.ledger, progress.begun.seqs)
    left = [file for file in files if remover.began(file)]
    # The others were not touched, or are gone: what is there is proven again.
    untouched = {file.seq for file in _look_at(files)} - {file.seq for file in left}
    waiting = tuple(sorted({*progress.waiting, *untouched}))
    progress = msgspec.structs.replace(progress, waiting=waiting)
    _remove(remover, left, progress, done)


def _clean(asked: Cleaning, done: Cleaned) -> None:
    progress = read_progress(asked.ledger)
    for stays in _decide_all(asked, progress, done):
        for file, stay in stays.items():
            if stay:
                done.count(file.path, stay)
        progress = _settled(progress, stays)
        ready = [file for file, stay in stays.items() if stay is None]
        if ready:
            progress = _begin(asked, ready, progress, done)
    write_progress(asked.ledger, progress)


def _decide_all(asked: Cleaning, progress: Progress, done: Cleaned) -> Iterator[_Stays]:
    """Yield for each group of files which of them stay; end where none is proven."""
    cutoff = asked.now - asked.options.clean_retention
    high = asked.prover.committed_before(cutoff)
    for files in _candidates(asked.ledger, progress, high):
        try:
            stays = _decide(asked.prover, files, cutoff)
        except _UNREADABLE as error:
            done.fail(first_line(error))
            return
        yield stays


def _decide(prover: Prover, files: Sequence[LedgerFile], cutoff: datetime) -> _Stays:
    found = _look_at(files)
    committed = prover.prove([file for file in files if file in found])
    return {
        file: stay_of(
            file,
            found.get(file),
            committed.get(file.seq, Unproven.NOT_COMMITTED),
            cutoff,
        )
        for file in files
    }


def _begin(
    asked: Cleaning, ready: Sequence[LedgerFile], progress: Progress, done: Cleaned
) -> Progress:
    begun = Begun(
        mode=asked.options.clean_source,
        destination=asked.options.move_destination,
        seqs=tuple(file.seq for file in ready),
    )
    write_progress(asked.ledger, msgspec.structs.replace(progress, begun=begun))
    return _remove(_remover(asked, begun), ready, progress, done)


def _candidates(
    ledger: Ledger, progress: Progress, high: int
) -> Iterator[list[LedgerFile]]:
    """Yield the committed files that are not settled yet, some hundred at a time."""
    fresh = ledger.files(after=progress.up_to, up_to=high)
    files = sorted([*_files_of(ledger, progress.waiting), *fresh])
    first = 0
    while first < len(files):
        near = files[first].seq + _SPAN
        chunk = [each for each in files[first : first + CHUNK] if each.seq < near]
        yield chunk
        first += len(chunk)


def _remover(asked: Cleaning, begun: Begun) -> Remover:
    return Remover(
        ledger=asked.ledger,
        roots=selection_of(asked.options).roots,
        run_id=asked.run_id,
        by=asked.by,
        begun=begun,
    )


def _remove(
    remover: Remover, files: Sequence[LedgerFile], progress: Progress, done: Cleaned
) -> Progress:
    """Remove ``files``; return and keep how far cleaning has come then."""
    stays = remover.remove(files)
    for file, stay in stays.items():
        done.count(file.path, stay)
    left = tuple(file.seq for file in files if remover.began(file))
    begun = msgspec.structs.replace(remover.begun, seqs=left) if left else None
    progress = msgspec.structs.replace(_settled(progress, stays), begun=begun)
    write_progress(remover.ledger, progress)
    return progress


def _settled(progress: Progress, stays: Mapping[LedgerFile, Stay | None]) -> Progress:
    """Note which files need not be looked at again."""
    looked_at = {file.seq for file in stays}
    open_still = {
        file.seq for file, stay in stays.items() if stay and not stay.outcome.is_final
    }
    waiting = tuple(sorted((set(progress.waiting) - looked_at) | open_still))
    up_to = max([progress.up_to, *looked_at])
    return msgspec.structs.replace(progress, up_to=up_to, waiting=waiting)


def _files_of(ledger: Ledger, seqs: Sequence[int]) -> list[LedgerFile]:
    """Return the files of the ledger that have ``seqs``, in order."""
    table = open_table(join(ledger.root, "files"))
    if table is None or not seqs:
        return []
    columns = ["seq", "path", "size", "modified", "etag"]
    where = any_of("seq", seqs)
    rows = read_table(table, columns=columns, where=where, order_by="seq")
    return [LedgerFile(**row) for row in rows.to_pylist()]


def _look_at(files: Sequence[LedgerFile]) -> dict[LedgerFile, FileStatus]:
    """Return the status of the files that are there."""
    paths = [file.path for file in files]
    if all(map(is_local, paths)):
        found = list(map(storage.status, paths))
    else:
        with ThreadPoolExecutor(_REQUESTS) as pool:
            found = list(pool.map(storage.status, paths))
    return {file: each for file, each in zip(files, found, strict=True) if each}
