"""Files with the same bytes: which of the new ones hold what was read before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec

from sluice import storage
from sluice.model import FileVersion
from sluice.source.events import EventKind
from sluice.source.ledger import Ledger

_READERS = 8


def digest_files(files: Sequence[FileVersion]) -> list[FileVersion]:
    """Return ``files`` with the digest of their bytes; each is read whole.

    One that cannot be read stays without: what reads its rows says why, by its policy.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(_digest, files))


def split_copies(
    files: Sequence[FileVersion], known: Iterable[str]
) -> tuple[list[FileVersion], list[FileVersion]]:
    """Part the files whose content is not known from the copies.

    Of new files with the same bytes the one that was written first is the original.
    """
    asked = {file.content for file in files}
    seen = {content for content in known if content in asked}
    originals: list[FileVersion] = []
    copies: list[FileVersion] = []
    for file in sorted(files, key=lambda each: (each.modified, each.path)):
        (copies if file.content in seen else originals).append(file)
        if file.content:
            seen.add(file.content)
    return originals, copies


def known_contents(ledger: Ledger | None) -> Iterator[str]:
    """Yield the digest of each file in the ledger that has one."""
    snapshot = ledger.snapshot() if ledger else None
    if snapshot and snapshot.has_contents():
        for batch in snapshot.batches(("content",)):
            yield from filter(None, batch.column(0).to_pylist())


def noted_versions(ledger: Ledger, kind: EventKind) -> list[FileVersion]:
    """Return the versions of which an event of ``kind`` was kept."""
    return [
        msgspec.json.decode(event.detail, type=FileVersion)
        for event in ledger.events(kind)
    ]


def note_of(file: FileVersion) -> str:
    """Return the detail of an event that tells of one version of a file."""
    return msgspec.json.encode(file).decode()


def _digest(file: FileVersion) -> FileVersion:
    try:
        with storage.open_input(file.path) as stream:
            digest = hashlib.sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError:
        return file
    return replace(file, content=digest.hexdigest())
