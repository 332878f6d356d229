"""Whether a file still is the one that was discovered: its size, its time, its etag.

Asked when a slice is opened and again after it was read: what changed in between is
found before the micro-batch can commit, and all slices of a file are held against the
one row of the ledger, so no batch has half of the old content and half of the new.
"""

from __future__ import annotations

from datetime import datetime

from sluice.model import LedgerFile
from sluice.paths import is_local
from sluice.storage import FileStatus


def what_changed(file: LedgerFile, found: FileStatus) -> str | None:
    """Say how a file differs from the one that was discovered, None where it does not.

    A bucket's times are compared in whole seconds: its listing may give more of them
    than the answer for one object does.
    """
    is_same = found.size == file.size and found.modified == file.modified
    if is_same and found.etag == file.etag:
        return None  # the usual case
    changes = []
    if found.size != file.size:
        changes.append(f"had {file.size} bytes when discovered, now {found.size}")
    if _time(file.path, found.modified) != _time(file.path, file.modified):
        before, after = file.modified.isoformat(), found.modified.isoformat()
        changes.append(f"was modified at {before} when discovered, now at {after}")
    if file.etag and found.etag and found.etag != file.etag:
        changes.append(f"had etag {file.etag} when discovered, now {found.etag}")
    return "; ".join(changes) or None


def _time(path: str, moment: datetime) -> datetime:
    return moment if is_local(path) else moment.replace(microsecond=0)
