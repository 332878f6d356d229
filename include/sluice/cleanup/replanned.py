"""Files that a micro-batch plans although clean-up has taken them: which, and where.

Their rows were committed, so this happens only after a checkpoint was lost or a table
set back. Auto Loader then reads what lies in the folder, and so does a stream that is
started by hand; a pipeline's repair reads what its table lacks, wherever it is.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sluice import storage
from sluice.ledger.events import Archived, EventKind, newest_events
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions
from sluice.paths import join

_LOG = logging.getLogger("sluice")


def find_archived(
    options: CloudFilesOptions, ledger: Ledger, files: Sequence[LedgerFile]
) -> list[LedgerFile]:
    """Return what of ``files`` is to be read, moved ones with where they are.

    For a stream without a pipeline those that were taken are left out, with a warning.
    """
    archived = _archived(ledger, files)
    if not archived:
        return list(files)
    if options.pipeline is None:
        _LOG.warning(
            "%d planned files of %r were moved or deleted by cleanSource after their "
            "rows were committed, and are left out",
            len(archived),
            options.path,
        )
        return [file for file in files if file.seq not in archived]
    return [_located(file, archived.get(file.seq)) for file in files]


def _archived(ledger: Ledger, files: Sequence[LedgerFile]) -> Mapping[int, Archived]:
    """Return how those of ``files`` were archived that are no longer there."""
    if not files:
        return {}
    events = newest_events(
        join(ledger.root, "events"),
        EventKind.ARCHIVED,
        after=files[0].seq - 1,
        up_to=files[-1].seq,
    )
    seqs, details = events["seq"].to_pylist(), events["detail"].to_pylist()
    by_seq = dict(zip(seqs, details, strict=True))
    return {
        file.seq: Archived.of(by_seq[file.seq])
        for file in files
        if file.seq in by_seq and storage.status(file.path) is None
    }


def _located(file: LedgerFile, archived: Archived | None) -> LedgerFile:
    """Return ``file`` as it is where it was moved to; a deleted one as it was."""
    found = (
        storage.status(archived.location) if archived and archived.location else None
    )
    if archived is None or found is None:
        return file
    return replace(
        file, modified=found.modified, etag=found.etag, moved_to=archived.location
    )
