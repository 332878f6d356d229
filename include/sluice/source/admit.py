"""Decide how far one micro-batch goes: pure, so that a plan can be tested alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions

# Of a stream that says no number of files. A micro-batch costs a second or two whatever
# it holds, so small files are not cut off at the first limit.
_FULL_FILES, _FULL_BYTES = 1000, 64 << 20
MOST_FILES = 20_000


@dataclass(frozen=True, kw_only=True)
class AdmissionLimit:
    """How much a micro-batch may hold; None is no limit.

    It is full with ``full_files`` as well, if these hold ``full_bytes``.
    """

    max_files: int | None = None
    max_bytes: int | None = None
    full_files: int | None = None
    full_bytes: int = 0


def limit_of(options: CloudFilesOptions) -> AdmissionLimit:
    """Return the limit that a stream's options set."""
    if options.max_files is not None:
        return AdmissionLimit(max_files=options.max_files, max_bytes=options.max_bytes)
    return AdmissionLimit(
        max_files=MOST_FILES,
        max_bytes=options.max_bytes,
        full_files=_FULL_FILES,
        full_bytes=_FULL_BYTES,
    )


def plan_end(start: int, files: Iterable[LedgerFile], limit: AdmissionLimit) -> int:
    """Return the seq of the last file that the micro-batch after ``start`` admits.

    ``files`` come in order of seq. ``max_bytes`` is soft, as Auto Loader documents it:
    the file that crosses it is still admitted, or one large file would stall the
    stream. The lowest of the limits wins. With no files the end is ``start``.
    """
    end, count, size = start, 0, 0
    for file in files:
        if count and _is_full(limit, count, size):
            break
        end, count, size = file.seq, count + 1, size + file.size
    return end


def _is_full(limit: AdmissionLimit, count: int, size: int) -> bool:
    if limit.max_files is not None and count >= limit.max_files:
        return True
    if limit.max_bytes is not None and size >= limit.max_bytes:
        return True
    full_files = limit.full_files
    return full_files is not None and count >= full_files and size >= limit.full_bytes
