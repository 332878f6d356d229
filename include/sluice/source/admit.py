"""Decide how far one micro-batch goes: pure, so that a plan can be tested alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sluice.model import LedgerFile


@dataclass(frozen=True, kw_only=True)
class AdmissionLimit:
    """How much a micro-batch may hold; None is no limit."""

    max_files: int | None = None
    max_bytes: int | None = None


def plan_end(start: int, files: Iterable[LedgerFile], limit: AdmissionLimit) -> int:
    """Return the seq of the last file that the micro-batch after ``start`` admits.

    ``files`` come in order of seq. ``max_bytes`` is soft, as Auto Loader documents it:
    the file that crosses it is still admitted, or one large file would stall the
    stream. The lower of both limits wins. With no files the end is ``start``.
    """
    end, count, size = start, 0, 0
    for file in files:
        if limit.max_files is not None and count >= limit.max_files:
            break
        if limit.max_bytes is not None and count and size >= limit.max_bytes:
            break
        end, count, size = file.seq, count + 1, size + file.size
    return end
