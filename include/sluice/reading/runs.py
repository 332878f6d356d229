"""Runs: which slice each of the rows of a block is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from sluice.formats.base import ParsedBlock
from sluice.reading.partition import FileSlice


@dataclass(frozen=True)
class Run:
    """So many rows in a row, of one slice."""

    slice: FileSlice
    rows: int

    @property
    def path(self) -> str:
        """The path of the file that they are of."""
        return self.slice.file.path


def cut_runs(
    blocks: Iterable[ParsedBlock], runs: Iterable[Run]
) -> Iterator[tuple[ParsedBlock, list[Run]]]:
    """Yield each block with the runs that its rows are of, in order."""
    left = [run for run in reversed(list(runs)) if run.rows]
    for block in blocks:
        mine: list[Run] = []
        missing = block.num_rows
        while missing:
            run = left.pop()
            taken = min(run.rows, missing)
            if taken < run.rows:
                left.append(replace(run, rows=run.rows - taken))
                run = replace(run, rows=taken)
            mine.append(run)
            missing -= taken
        yield block, mine
