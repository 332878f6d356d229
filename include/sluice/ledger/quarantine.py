"""The files that a micro-batch leaves out: one object each, the first word stands.

A task that cannot read a file as it was discovered writes the record and fails; the
next attempt is planned without the file. Put-if-absent, so planning the batch
after the record leaves out the same file, however many attempts or drivers there are.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from sluice import storage
from sluice.records import load_records

_REMEDY = (
    "restore it from backup, or remove it to have the file read again if no "
    "micro-batch has passed it"
)


class LeftOut(StrEnum):
    """Why a file is left out; the names are kept, so they may not change."""

    QUARANTINED = "quarantined"
    """It holds what its format cannot, or is not the file that was discovered."""

    REPLACED = "replaced"
    """Its name holds a newer version, which comes with a seq of its own."""


class QuarantinedFile(msgspec.Struct, frozen=True):
    """A file that is left out; a task wrote this before it failed."""

    seq: int
    path: str
    error: str
    run_id: str
    at: datetime
    kind: LeftOut = LeftOut.QUARANTINED


def record_left_out(root: str, file: QuarantinedFile) -> bool:
    """Record below ``root`` that ``file`` is left out; return True if this call did."""
    return storage.put_if_absent(root, f"{file.seq}.json", msgspec.json.encode(file))


def read_left_out(root: str) -> dict[int, QuarantinedFile]:
    """Return the files that are left out, by seq.

    Raises:
        FatalError: a record is damaged.
    """
    found = load_records(root, QuarantinedFile, remedy=_REMEDY)
    return {file.seq: file for file in found}
