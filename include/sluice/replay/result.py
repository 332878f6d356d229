"""What a replay did, or would do: files, rows out and in, windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sluice.config import PipelineConfig, SilverConfig
from sluice.history.replays import FileRows
from sluice.replay.select import LeftOutFile

Starts = Mapping[str, frozenset[datetime]]
"""By silver table the starts of windows."""


@dataclass(frozen=True, kw_only=True)
class ReplayedFile:
    """One file with its rows in the table before and after.

    ``rescued_rows``, ``dropped_records`` and ``quarantined_rows`` are those after it.
    """

    seq: int
    path: str
    rows_out: int
    rows_in: int
    rescued_rows: int
    dropped_records: int = 0
    quarantined_rows: int = 0


@dataclass(frozen=True, kw_only=True)
class ReplayedTable:
    """How many windows of a silver table have rows that came or went.

    The stream has yet to emit those that are open; they are recomputed after that.
    """

    table: str
    windows: int
    windows_open: int


@dataclass(frozen=True, kw_only=True)
class ReplayResult:
    """What a replay did, or would do where ``table_version`` is None."""

    run_id: str
    files: tuple[ReplayedFile, ...]
    left_out: tuple[LeftOutFile, ...]
    windows: tuple[ReplayedTable, ...]
    table_version: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """The sums, as they are kept with the run."""
        return {
            "files": len(self.files),
            "left_out": len(self.left_out),
            "rows_out": sum(each.rows_out for each in self.files),
            "rows_in": sum(each.rows_in for each in self.files),
        }


def describe_files(
    files: Iterable[FileRows], rows_out: Mapping[str, int]
) -> tuple[ReplayedFile, ...]:
    """Return each file with its rows in the table before and after."""
    return tuple(
        ReplayedFile(
            seq=file.seq,
            path=file.path,
            rows_out=rows_out.get(file.path, 0),
            rows_in=file.rows,
            rescued_rows=file.rescued_rows,
            dropped_records=file.dropped_records,
            quarantined_rows=file.quarantined_rows,
        )
        for file in files
    )


def describe_windows(
    config: PipelineConfig, touched: Starts, closed: Mapping[str, datetime]
) -> tuple[ReplayedTable, ...]:
    """Return how many windows of each silver table are touched, and still open."""
    return tuple(
        _describe(silver, touched[silver.name], closed[silver.name])
        for silver in config.streamed
    )


def _describe(
    silver: SilverConfig, starts: frozenset[datetime], closed: datetime
) -> ReplayedTable:
    grid = silver.window.grid
    _, waiting = grid.split_closed(grid.cover(starts), closed)
    return ReplayedTable(
        table=silver.name,
        windows=len(starts),
        windows_open=grid.count(waiting),
    )
