"""Compare a listing with what the ledger knows, by salted 64-bit hashes.

Ten million paths as Python strings take gigabytes; their hashes take 80 MB, and are
compared in numpy. A path that is known always has its hash among the known ones. A new
path has it by chance only, once in about 2**64 / known paths; such a file is passed
over by this comparison alone: each draws a new salt, so the next one finds
it. The audit compares the paths themselves.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sluice.errors import Condition, FatalError
from sluice.ledger.files import VERSION_COLUMNS, FilesSnapshot
from sluice.model import FileVersion

Hashes = npt.NDArray[np.int64]
_TIMESTAMP = pa.timestamp("us", tz="UTC")
# Odd and far from any difference of two times in microseconds.
_SPREAD = np.int64(0x1E3779B97F4A7C15)


class Known:
    """The files that a ledger holds, after one seq; it only grows.

    ``by_version`` distinguishes versions of a path by size, time and etag.
    """

    def __init__(self, *, by_version: bool = False, after: int = 0) -> None:
        # In the hashed text, for Spark sets PYTHONHASHSEED and with it Python's own
        # salt. Plain ASCII: so texts of other widths cannot have the same bytes.
        self._salt = secrets.token_hex(16)
        self._by_version = by_version
        self._hashes: Hashes = np.empty(0, np.int64)
        self.seq = after

    def catch_up(self, snapshot: FilesSnapshot) -> None:
        """Take in what was appended since the last call.

        Raises:
            FatalError: the ledger lacks rows: their files would be read twice.
        """
        count, found = snapshot.high - self.seq, 0
        added = np.empty(count, np.int64)
        for batch in snapshot.batches(self._columns, after=self.seq):
            hashes = self._hash_rows(batch)
            if found + len(hashes) <= count:
                added[found : found + len(hashes)] = hashes
            found += len(hashes)
        if found != count:
            raise _incomplete_error(snapshot, self.seq, found)
        self._take(added)
        self.seq = snapshot.high

    def new_names(self, pages: Sequence[tuple[str, Sequence[str]]]) -> list[list[int]]:
        """Return, for each folder and its names, the positions that are not known.

        A folder ends with a slash, or is empty where its names are whole paths. Many
        names at once cost less each.
        """
        hashes = [self._hash_paths(folder, names) for folder, names in pages]
        if not hashes:
            return []
        absent = self._absent(np.concatenate(hashes))
        ends = np.cumsum([len(each) for each in hashes])
        starts = [0, *ends[:-1].tolist()]
        parts = np.split(absent, np.searchsorted(absent, ends[:-1]))
        return [
            (part - start).tolist() for part, start in zip(parts, starts, strict=True)
        ]

    def new_files(self, versions: Sequence[FileVersion]) -> list[int]:
        """Return the positions of the files that are not known, by path or version."""
        positions: list[int] = self._absent(self._hash_versions(versions)).tolist()
        return positions

    def _absent(self, hashes: Hashes) -> Hashes:
        """Return the positions in ``hashes`` that are not among the known ones."""
        if not len(self._hashes):
            return np.arange(len(hashes))
        # Looked up in order, which the processor's cache likes many times better.
        asked = np.sort(hashes)
        found = np.searchsorted(self._hashes, asked)
        found[found == len(self._hashes)] = 0
        unknown = asked[self._hashes[found] != asked]
        return np.flatnonzero(np.isin(hashes, unknown))

    def _take(self, added: Hashes) -> None:
        added.sort()
        joined = np.concatenate([self._hashes, added]) if len(self._hashes) else added
        if len(self._hashes):
            joined.sort(kind="stable")  # merges two sorted runs
        self._hashes = joined

    @property
    def _columns(self) -> tuple[str, ...]:
        return VERSION_COLUMNS if self._by_version else VERSION_COLUMNS[:1]

    def _hash_rows(self, batch: pa.RecordBatch) -> Hashes:
        hashes = self._hash_paths("", batch.column(0).to_pylist())
        if not self._by_version:
            return hashes
        _, sizes, times, tags = batch.columns
        return hashes + _numbers(sizes, times) + self._hash_tags(tags.to_pylist())

    def _hash_versions(self, versions: Sequence[FileVersion]) -> Hashes:
        hashes = self._hash_paths("", [each.path for each in versions])
        if not self._by_version:
            return hashes
        sizes = pa.array([each.size for each in versions], pa.int64())
        times = pa.array([each.modified for each in versions], _TIMESTAMP)
        tags = [each.etag for each in versions]
        return hashes + _numbers(sizes, times) + self._hash_tags(tags)

    def _hash_paths(self, folder: str, names: Sequence[str]) -> Hashes:
        hashed = map(hash, map((self._salt + folder).__add__, names))
        return np.fromiter(hashed, np.int64, len(names))

    def _hash_tags(self, tags: Sequence[str | None]) -> Hashes:
        hashed = (hash(self._salt + tag) if tag else 0 for tag in tags)
        return np.fromiter(hashed, np.int64, len(tags))


def _numbers(sizes: pa.Array, times: pa.Array) -> Hashes:
    """Return a number that differs where either does, but for rare pairs; it wraps."""
    size, time = (
        each.cast(pa.int64()).to_numpy(zero_copy_only=False) for each in (sizes, times)
    )
    mixed: Hashes = size * _SPREAD + time
    return mixed


def _incomplete_error(snapshot: FilesSnapshot, after: int, found: int) -> FatalError:
    expected = snapshot.high - after
    return FatalError(
        Condition.LEDGER_UNREADABLE,
        f"ledger table {snapshot.location!r} holds {found} rows for the {expected} "
        f"files after seq {after}: a file without a row would be read again; restore "
        "the ledger from backup",
        {"expected": expected, "found": found},
    )
