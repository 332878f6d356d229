"""One micro-batch as checkpoint and Delta log describe it together; nothing is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sluice.checkpoint import LedgerOffset, parse_offset
from sluice.model import CHAIN_START, BatchKind, SeqRange

if TYPE_CHECKING:
    from sluice.checkpoint import CheckpointFacts
    from sluice.delta.log import TableCommit

Offsets = tuple[str | None, ...]
"""The offset of each source as JSON text, None where a source has none."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One micro-batch; what is no longer known, or not yet, is None."""

    query: str
    query_id: str
    batch_id: int
    kind: BatchKind
    committed: bool
    start_offsets: Offsets | None
    end_offsets: Offsets
    rows: int | None
    table_version: int | None
    planned_at: datetime
    committed_at: datetime | None
    watermark: datetime | None
    next_watermark: datetime | None
    run_id: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the table holds what this batch had to write."""
        return self.committed or self.table_version is not None

    @property
    def end_seq(self) -> int | None:
        """The last file the batch read; None unless its source is the ledger."""
        return self._end.seq if self._end else None

    @property
    def ledger_id(self) -> str | None:
        """The ledger whose files the batch read; None unless that is its source."""
        return self._end.ledger_id if self._end else None

    @property
    def seq_range(self) -> SeqRange | None:
        """The files the batch read; None unless its source is the ledger."""
        if not self.start_offsets or self.end_seq is None:
            return None
        start = self.start_offsets[0]
        start_seq = CHAIN_START if start is None else ledger_seq(start)
        return None if start_seq is None else SeqRange(start_seq, self.end_seq)

    @property
    def _end(self) -> LedgerOffset | None:
        end = parse_offset(self.end_offsets[0]) if self.end_offsets else None
        return end if isinstance(end, LedgerOffset) else None


def ledger_seq(offset: str | None) -> int | None:
    """Return the seq of a ``cloudFiles`` offset, None for any other source's."""
    found = parse_offset(offset)
    return found.seq if isinstance(found, LedgerOffset) else None


def commits_by_batch(
    commits: list[TableCommit], query_id: str
) -> dict[int, TableCommit]:
    """Return the table commit of each batch of a query, by its Delta transaction."""
    return {
        commit.transactions[query_id]: commit
        for commit in commits
        if query_id in commit.transactions
    }


def describe_batches(
    query: str,
    checkpoint: CheckpointFacts,
    commits: Mapping[int, TableCommit],
    *,
    after: int = -1,
    start: Offsets | None = None,
) -> Iterator[Batch]:
    """Yield the planned batches above ``after``, oldest first.

    ``start`` is the end of batch ``after``, for a checkpoint that has forgotten it.
    """
    for batch_id in sorted(each for each in checkpoint.offsets if each > after):
        begin = checkpoint.start_offsets(batch_id)
        if begin is None and batch_id == after + 1:
            begin = start
        yield _describe(query, checkpoint, batch_id, begin, commits.get(batch_id))


def _describe(
    query: str,
    checkpoint: CheckpointFacts,
    batch_id: int,
    start: Offsets | None,
    commit: TableCommit | None,
) -> Batch:
    planned = checkpoint.offsets[batch_id]
    done = checkpoint.commits.get(batch_id)
    return Batch(
        query=query,
        query_id=checkpoint.query_id or "",
        batch_id=batch_id,
        kind=_kind(start, planned.offsets, commit),
        committed=done is not None,
        start_offsets=start,
        end_offsets=planned.offsets,
        rows=_rows(commit),
        table_version=commit.version if commit else None,
        planned_at=_from_ms(planned.timestamp_ms),
        committed_at=commit.committed_at if commit else None,
        watermark=_watermark(planned.watermark_ms),
        next_watermark=_watermark(done.next_watermark_ms) if done else None,
    )


def _kind(start: Offsets | None, end: Offsets, commit: TableCommit | None) -> BatchKind:
    """Distinguish a batch that read files, an empty one and one for the watermark.

    Only a query over the ledger can be seen to be empty: each of its rows is written,
    while a window's rows wait in the state.
    """
    if start == end:
        return BatchKind.NO_DATA
    reads_ledger = any(ledger_seq(offset) is not None for offset in end)
    if reads_ledger and _rows(commit) == 0:
        return BatchKind.EMPTY
    return BatchKind.DATA


def _rows(commit: TableCommit | None) -> int | None:
    if commit is None:
        return None
    counted = commit.metrics.get("numOutputRows")
    has_count = counted is not None and commit.operation != "MERGE"
    return int(str(counted)) if has_count else commit.rows_written


def _watermark(time_ms: int) -> datetime | None:
    # Spark logs 0 where the query has no watermark, or none yet.
    return _from_ms(time_ms) if time_ms else None


def _from_ms(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
