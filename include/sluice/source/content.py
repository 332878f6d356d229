"""Versions of files as details of events."""

from __future__ import annotations

import msgspec

from sluice.model import FileVersion
from sluice.source.events import EventKind
from sluice.source.ledger import Ledger


def noted_versions(ledger: Ledger, kind: EventKind) -> list[FileVersion]:
    """Return the versions of which an event of ``kind`` was kept."""
    return [
        msgspec.json.decode(event.detail, type=FileVersion)
        for event in ledger.events(kind)
    ]


def note_of(file: FileVersion) -> str:
    """Return the detail of an event that tells of one version of a file."""
    return msgspec.json.encode(file).decode()
