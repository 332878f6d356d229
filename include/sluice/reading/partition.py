"""Pack the files of a micro-batch into few tasks of like cost; split large files."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sluice.formats.base import Format
from sluice.model import LedgerFile

# What a small file costs beside its bytes, as bytes (measured on a disk): many of them
# are parsed at once.
FILE_COST = 4 << 10
# Below this a second Python worker costs more to start than it saves.
WORTH_A_TASK = 1 << 20


@dataclass(frozen=True, order=True)
class FileSlice:
    """The records of ``file`` that begin in ``[start, end)``, offsets in bytes."""

    file: LedgerFile
    start: int
    end: int

    @property
    def cost(self) -> int:
        """What reading the slice costs, in bytes."""
        return self.end - self.start + FILE_COST


def plan_partitions(
    files: Sequence[LedgerFile],
    *,
    max_bytes: int,
    min_partitions: int,
    source_format: Format,
) -> list[list[FileSlice]]:
    """Pack ``files`` into partitions of about ``max_bytes`` each.

    There are at least ``min_partitions`` where each would be worth starting a task.
    Every byte of every file is in exactly one slice, in order of seq in a partition.
    ``source_format`` says which files may be cut.
    """
    slices = [
        each
        for file in files
        for each in _split(
            file, max_bytes if source_format.can_split(file.path) else file.size
        )
    ]
    total = sum(each.cost for each in slices)
    wanted = min(min_partitions, max(total // WORTH_A_TASK, 1))
    count = min(max(-(-total // max_bytes), wanted), len(slices))
    return [sorted(packed, key=_place) for packed in _pack(slices, count) if packed]


def _split(file: LedgerFile, max_bytes: int) -> Iterator[FileSlice]:
    if file.size <= max_bytes:
        yield FileSlice(file, 0, file.size)
        return
    for start in range(0, file.size, max_bytes):
        yield FileSlice(file, start, min(start + max_bytes, file.size))


def _pack(slices: Iterable[FileSlice], count: int) -> list[list[FileSlice]]:
    partitions: list[list[FileSlice]] = [[] for _ in range(count)]
    loads = [(0, index) for index in range(count)]
    for each in sorted(slices, key=lambda one: (-one.cost, _place(one))):
        load, index = heapq.heappop(loads)
        partitions[index].append(each)
        heapq.heappush(loads, (load + each.cost, index))
    return partitions


def _place(each: FileSlice) -> tuple[int, int]:
    return each.file.seq, each.start
