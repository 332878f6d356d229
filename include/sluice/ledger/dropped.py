"""Malformed records that were dropped: one object for each slice of a file with any.

A task writes it before its rows are committed, under a name that the slice has, so a
task that is tried again, or runs twice, counts nothing twice. What belongs to one
micro-batch lies in one folder, which is named by the micro-batch's end.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import msgspec

from sluice import storage
from sluice.paths import join
from sluice.records import load_record, load_records

_REMEDY = "restore it from backup, or replay the file of its seq: 'sluice replay'"


class DroppedRecords(msgspec.Struct, frozen=True, kw_only=True):
    """So many ``records`` of a file that begin in ``[start, end)`` gave no row.

    ``kept_at`` is where the records themselves are, None where nothing keeps them.
    """

    seq: int
    path: str
    start: int
    end: int
    records: int
    run_id: str
    kept_at: str | None = None

    @property
    def key(self) -> str:
        """The name of the object, which another count of the same slice replaces."""
        return f"{self.seq}-{self.start}.json"


def dropped_root(ledger_root: str, end: int) -> str:
    """Return the folder of the micro-batch that ends with ``end``."""
    return join(ledger_root, "dropped", str(end))


def list_dropped(root: str) -> dict[int, list[int]]:
    """Return by seq the starts of the slices that have a record in a folder."""
    starts: defaultdict[int, list[int]] = defaultdict(list)
    for key in storage.list_keys(root):
        seq, start = key.removesuffix(".json").split("-")
        starts[int(seq)].append(int(start))
    return dict(starts)


def count_dropped(root: str) -> Counter[int]:
    """Return by seq how many records of a micro-batch's files were dropped.

    Raises:
        FatalError: a record is damaged.
    """
    counts: Counter[int] = Counter()
    for each in load_records(root, DroppedRecords, remedy=_REMEDY):
        counts[each.seq] += each.records
    return counts


def read_dropped(root: str, seq: int, start: int) -> DroppedRecords | None:
    """Return the record of a slice, None where there is none that can be read."""
    return load_record(root, f"{seq}-{start}.json", DroppedRecords)
