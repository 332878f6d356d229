"""Drop malformed records, count them by slice, and keep them where it is asked for.

The count of a slice is written when the whole of it was read, before its last rows
leave the task. A slice that is read again, by this attempt's twin or by a later one,
replaces all that earlier attempts wrote of its bytes, however these were cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

import msgspec
import pyarrow as pa

from sluice import storage
from sluice.formats.base import ParsedBlock, Record
from sluice.ledger.dropped import DroppedRecords, list_dropped, read_dropped
from sluice.paths import join
from sluice.reading.malformed import why_malformed
from sluice.reading.partition import FileSlice
from sluice.reading.runs import Run

_PARALLEL_WRITES = 16
# The most text of dropped records that waits in memory for the end of its slice.
_HELD_BYTES = 8 << 20


@dataclass(frozen=True)
class BadRecords:
    """Where dropped records are kept: ``folder`` is of one micro-batch or replay.

    Names begin with what no other stream has, for streams may share a folder.
    """

    folder: str
    prefix: str

    @classmethod
    def of(cls, path: str, at: datetime, prefix: str) -> BadRecords:
        """Return where records are kept that were dropped by what began ``at``."""
        return cls(join(path, f"{at.astimezone(UTC):%Y%m%dT%H%M%S}"), prefix)

    def key(self, each: FileSlice) -> str:
        """Return the name of the file for the records of a slice."""
        return f"bad_records/part-{self.prefix}-{each.file.seq:08}-{each.start}"

    def keep_file(self, each: FileSlice, reason: str) -> None:
        """Keep which file could not be read, and why."""
        content = _line({"path": each.file.path, "reason": reason})
        key = f"bad_files/part-{self.prefix}-{each.file.seq:08}"
        storage.put(self.folder, key, content)


@dataclass(frozen=True)
class DropBook:
    """Where the tasks of one micro-batch, or replay, record what they drop.

    Without ``drops`` no record is dropped, and only what ``earlier`` attempts recorded,
    the starts of slices by seq, is taken back.
    """

    root: str
    drops: bool
    run_id: str = ""
    earlier: Mapping[int, Sequence[int]] = field(default_factory=dict)
    bad_records: BadRecords | None = None

    @classmethod
    def open(
        cls, root: str, *, drops: bool, run_id: str, bad_records: BadRecords | None
    ) -> DropBook | None:
        """Return the book in ``root``, None where there is nothing to write."""
        earlier = list_dropped(root)
        if not drops and not earlier:
            return None
        return cls(root, drops, run_id, earlier, bad_records)

    def narrowed(self, slices: Iterable[FileSlice]) -> DropBook:
        """Return the book with what earlier attempts recorded of these files alone."""
        seqs = {each.file.seq for each in slices} & self.earlier.keys()
        return replace(self, earlier={seq: self.earlier[seq] for seq in seqs})

    def write(self, each: FileSlice, dropped: Dropped | None) -> None:
        """Record what was dropped of a slice, in the place of earlier attempts."""
        for start in self.earlier.get(each.file.seq, ()):
            if each.start <= start < each.end or start == each.start:
                self._take_back(each.file.seq, start, each if dropped else None)
        if dropped is None:
            return
        kept = self.bad_records
        record = DroppedRecords(
            seq=each.file.seq,
            path=each.file.path,
            start=each.start,
            end=each.end,
            records=dropped.records,
            run_id=self.run_id,
            kept_at=join(kept.folder, kept.key(each)) if kept else None,
        )
        storage.put(self.root, record.key, msgspec.json.encode(record))
        if kept:
            dropped.texts.seek(0)
            storage.put(kept.folder, kept.key(each), dropped.texts)

    def _take_back(self, seq: int, start: int, by: FileSlice | None) -> None:
        """Remove what an earlier attempt kept; its record unless one replaces it."""
        record = read_dropped(self.root, seq, start)
        if record and record.kept_at:
            folder, _, key = record.kept_at.rpartition("/")
            storage.delete(folder, key)
        if by is None or start != by.start:
            storage.delete(self.root, f"{seq}-{start}.json")


@dataclass
class Dropped:
    """What was dropped of one slice; ``texts`` are the lines that are to be kept."""

    records: int = 0
    texts: IO[bytes] = field(
        default_factory=partial(SpooledTemporaryFile, max_size=_HELD_BYTES)
    )


class Sieve:
    """Takes the malformed records out of blocks, and remembers of which slices."""

    def __init__(
        self, book: DropBook | None, columns: pa.Schema, *, keeps_rescued: bool
    ) -> None:
        """Without a ``book`` every record is kept."""
        self._book = book
        self._why = partial(why_malformed, columns=columns, keeps_rescued=keeps_rescued)
        self._dropped: dict[FileSlice, Dropped] = {}

    def sift(
        self, parsed: ParsedBlock, runs: Sequence[Run]
    ) -> tuple[ParsedBlock, Sequence[Run]]:
        """Return a block and the runs of its rows, without what is dropped."""
        if self._book is None or not self._book.drops or parsed.records is None:
            return parsed, runs
        reasons = list(map(self._why, parsed.records))
        if not any(reasons):
            return parsed, runs
        left, first = [], 0
        for run in runs:
            end = first + run.rows
            rows = zip(parsed.records[first:end], reasons[first:end], strict=True)
            bad = [(record, reason) for record, reason in rows if reason]
            self._drop(run.slice, bad)
            left.append(replace(run, rows=run.rows - len(bad)))
            first = end
        return _without(parsed, reasons), left

    def finish(self, slices: Sequence[FileSlice]) -> None:
        """Record what was dropped of slices that were read to their ends."""
        if self._book is None:
            return
        earlier = self._book.earlier
        wrote = [e for e in slices if e in self._dropped or e.file.seq in earlier]
        if not wrote:
            return
        with ThreadPoolExecutor(min(len(wrote), _PARALLEL_WRITES)) as pool:
            dropped = map(self._dropped.get, wrote)
            list(pool.map(self._book.write, wrote, dropped))

    def close(self) -> None:
        """Forget what was dropped of slices that were not read to their ends."""
        for dropped in self._dropped.values():
            dropped.texts.close()

    def _drop(self, each: FileSlice, bad: Sequence[tuple[Record, str]]) -> None:
        if not bad:
            return
        if each not in self._dropped:
            self._dropped[each] = Dropped()
        dropped = self._dropped[each]
        dropped.records += len(bad)
        if self._book and self._book.bad_records:
            dropped.texts.writelines(
                _line({"path": each.file.path, "record": record.shown, "reason": why})
                for record, why in bad
            )


def _without(parsed: ParsedBlock, reasons: Sequence[str | None]) -> ParsedBlock:
    rows = zip(parsed.records or (), reasons, strict=True)
    records = [record for record, reason in rows if reason is None]
    columns = parsed.columns
    if columns.num_columns:
        columns = columns.filter(pa.array([reason is None for reason in reasons]))
    return ParsedBlock(columns, records)


def _line(content: dict[str, str]) -> bytes:
    return msgspec.json.encode(content) + b"\n"
