"""Every file of the ledger with what became of it; a state is derived, never kept."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluice.checkpoint import read_checkpoint
from sluice.history.archive import Done, QueryHistory, file_rows, find_planned
from sluice.history.batches import query_batches
from sluice.history.queries import list_queries
from sluice.history.tables import read_rows
from sluice.model import FileState, LedgerFile
from sluice.source.ledger import Ledger, QuarantinedFile
from sluice.tables import equal

if TYPE_CHECKING:
    from sluice.config import PipelineConfig
    from sluice.history.batch import Batch

_COLUMNS = ["query_id", "batch_id", "seq", "rows", "rescued_rows"]
_Counts = tuple[int | None, int | None]
_Key = tuple[str, int, int]


@dataclass(frozen=True)
class FileRow:
    """One file of the ledger; what is not known, or not yet, is None."""

    seq: int
    path: str
    size: int
    modified_at: datetime
    state: FileState
    batch_id: int | None = None
    table_version: int | None = None
    rows: int | None = None
    rescued_rows: int | None = None
    error: str | None = None


@dataclass(frozen=True)
class Outcomes:
    """What is known of files by seq: who read them, what came out, what failed."""

    batches: Sequence[Batch]
    counts: Mapping[_Key, _Counts]
    claimed_up_to: int
    quarantined: Mapping[int, QuarantinedFile]


def list_files(config: PipelineConfig, state: FileState | None = None) -> list[FileRow]:
    """Return the files of a pipeline's ledger by seq, or only those in ``state``."""
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        return []
    rows = describe_files(ledger.files(), read_outcomes(config, ledger))
    return [row for row in rows if state is None or row.state == state]


def read_outcomes(config: PipelineConfig, ledger: Ledger) -> Outcomes:
    """Read what batches, archive, claims and quarantine tell of the ledger's files."""
    bronze = list_queries(config)[0]
    batches = query_batches(config, bronze)
    counts = _archived_counts(config)
    checkpoint = read_checkpoint(bronze.checkpoint)
    if checkpoint is not None:
        history = QueryHistory(config, bronze, checkpoint)
        counts |= _newer_counts(history, counts)
    return Outcomes(
        batches=batches,
        counts=counts,
        claimed_up_to=max((each.range.end for each in ledger.claims()), default=0),
        quarantined=ledger.quarantined(),
    )


def describe_files(files: Iterable[LedgerFile], outcomes: Outcomes) -> list[FileRow]:
    """Return each file with its state; of two checkpoints' batches the newer counts."""
    readers = _readers(outcomes.batches)
    return [_describe(each, _reader(each.seq, readers), outcomes) for each in files]


def to_json(row: FileRow) -> dict[str, Any]:
    """Return a file in the shape that ``sluice files --json`` promises."""
    return {**vars(row), "state": row.state.value}


def _describe(file: LedgerFile, reader: Batch | None, outcomes: Outcomes) -> FileRow:
    refused = outcomes.quarantined.get(file.seq)
    rows, rescued = None, None
    if reader is not None:
        key = (reader.query_id, reader.batch_id, file.seq)
        rows, rescued = outcomes.counts.get(key, (None, None))
    return FileRow(
        seq=file.seq,
        path=file.path,
        size=file.size,
        modified_at=file.modified,
        state=_state(file, reader, outcomes),
        batch_id=reader.batch_id if reader else None,
        table_version=reader.table_version if reader else None,
        rows=rows,
        rescued_rows=rescued,
        error=refused.error if refused else None,
    )


def _readers(batches: Sequence[Batch]) -> list[list[tuple[int, int, Batch]]]:
    """Return ends, starts and batches by checkpoint, the newest checkpoint first."""
    by_query: dict[str, list[tuple[int, int, Batch]]] = {}
    for batch in batches:
        within = batch.seq_range
        if within and within.start < within.end:
            entry = (within.end, within.start, batch)
            by_query.setdefault(batch.query_id, []).append(entry)
    return list(reversed(by_query.values()))


def _reader(
    seq: int, readers: Sequence[Sequence[tuple[int, int, Batch]]]
) -> Batch | None:
    for ranges in readers:
        position = bisect_left(ranges, seq, key=lambda entry: entry[0])
        if position < len(ranges) and ranges[position][1] < seq:
            return ranges[position][2]
    return None


def _state(file: LedgerFile, reader: Batch | None, outcomes: Outcomes) -> FileState:
    if file.seq in outcomes.quarantined:
        return FileState.QUARANTINED
    if reader is not None and reader.is_done:
        return FileState.INGESTED
    if reader is not None or file.seq <= outcomes.claimed_up_to:
        return FileState.IN_FLIGHT
    return FileState.DISCOVERED


def _archived_counts(config: PipelineConfig) -> dict[_Key, _Counts]:
    location = config.ops_location("batch_files")
    return _by_key(read_rows(location, equal(pipeline=config.name), _COLUMNS))


def _newer_counts(
    history: QueryHistory, archived: Mapping[_Key, _Counts]
) -> dict[_Key, _Counts]:
    """Count the rows of the batches that the archive does not have yet."""
    mine = (batch for query_id, batch, _ in archived if query_id == history.query_id)
    newer: list[Done] = find_planned(history, after=max(mine, default=-1))
    landed = (each for each in newer if each.commit is not None)
    return _by_key(row for each in landed for row in file_rows(history, each))


def _by_key(rows: Iterable[Mapping[str, Any]]) -> dict[_Key, _Counts]:
    return {
        (row["query_id"], row["batch_id"], row["seq"]): (
            row["rows"],
            row["rescued_rows"],
        )
        for row in rows
        if row["seq"] is not None
    }
