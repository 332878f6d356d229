"""Names that are used again: a known path that has other content by now.

With the path as identity such a file is not read again, and it is told of once for each
new content. Every known file is looked at for that, so it is done only with the full
listing of every ``backfillInterval``; the audit does it too.
"""

from __future__ import annotations

from collections.abc import Iterator

from sluice.model import FileVersion, LedgerFile
from sluice.source.content import noted_versions
from sluice.source.discover import list_pages, wanted_names
from sluice.source.events import EventKind
from sluice.source.files import FilesSnapshot
from sluice.source.known import Known
from sluice.source.ledger import Ledger
from sluice.source.options import CloudFilesOptions
from sluice.source.scan import look_at_wanted


def find_reused(
    ledger: Ledger, snapshot: FilesSnapshot, options: CloudFilesOptions
) -> list[tuple[int, FileVersion]]:
    """Return each known name with a content not told of before, and its file's seq."""
    known = Known(by_version=True)
    known.catch_up(snapshot)
    known.add_versions(noted_versions(ledger, EventKind.REUSED_NAME))
    changed = {file.path: file for file in _changed(options, known)}
    if not changed:
        return []
    return [
        (row.seq, changed[row.path])
        for row in _rows(snapshot)
        if row.path in changed and _differs(row, changed[row.path])
    ]


def _changed(options: CloudFilesOptions, known: Known) -> Iterator[FileVersion]:
    wanted = wanted_names(options)
    for page in list_pages(options):
        files = list(look_at_wanted(page, range(len(page.names)), wanted))
        yield from (files[position] for position in known.new_files(files))


def _rows(snapshot: FilesSnapshot) -> Iterator[LedgerFile]:
    columns = ("seq", "path", "size", "modified", "etag")
    for batch in snapshot.batches(columns):
        for values in zip(*(each.to_pylist() for each in batch.columns), strict=True):
            yield LedgerFile(*values)


def _differs(row: LedgerFile, file: FileVersion) -> bool:
    mine = (row.size, row.modified, row.etag)
    return mine != (file.size, file.modified, file.etag)
