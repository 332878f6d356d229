"""What is left of a pipeline: ledger, checkpoint, archive and table, each as it is."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from sluice import storage
from sluice.checkpoint import CheckpointFacts
from sluice.config import PipelineConfig
from sluice.delta.log import TableCommit, open_table, read_commits
from sluice.delta.tables import equal
from sluice.errors import Condition, FatalError
from sluice.history.archive import QueryHistory
from sluice.history.batch import Batch
from sluice.history.batches import archived_batches
from sluice.history.readings import (
    READINGS_SCHEMA,
    archived_readings,
    find_not_archived,
    newer_readings,
    newest_readings,
    replay_readings,
)
from sluice.history.rows import rows_by_file
from sluice.history.tables import read_rows
from sluice.ledger.events import EventKind, LedgerEvent, Replayed, newest_events
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile, SeqRange
from sluice.paths import join
from sluice.pipeline import Query
from sluice.repair.plan import HeldFile, HeldRange
from sluice.rules.read import read_or_damage
from sluice.versions import is_too_new

_LOG = logging.getLogger(__name__)
REBUILT = "ledger-rebuild-"
"""With what the run id of a claim begins that a rebuilt ledger begins with."""


@dataclass(frozen=True, kw_only=True)
class Remains:
    """What is left of bronze but for its ledger.

    ``checkpoint`` is None where it cannot be read. ``rows`` are the table's by file.
    """

    checkpoint: CheckpointFacts | None
    table: DeltaTable | None
    rows: Mapping[str | None, int]


def read_remains(config: PipelineConfig) -> Remains:
    """Read what is left of the bronze query; scans one column of its table."""
    table = open_table(config.bronze_location)
    return Remains(
        checkpoint=read_or_damage(config.bronze_checkpoint_location)[0],
        table=table,
        rows=rows_by_file(table) if table else {},
    )


def held_ranges(
    config: PipelineConfig, remains: Remains, ledger: Ledger
) -> list[HeldRange]:
    """Return each planned micro-batch of the ledger with what the table has of it."""
    bronze = config.queries[0]
    history = _history(config, bronze, remains.checkpoint)
    planned = find_not_archived(history) if history else []
    newer = READINGS_SCHEMA.empty_table()
    if history is not None:
        newer = newer_readings(history, planned)
    batches = [*archived_batches(config, bronze), *(each.batch for each in planned)]
    expected = _expected(config, newer, ledger)
    held = list(_held_files(ledger.files(), remains.rows, expected))
    committed = _committed(batches).get(ledger.ledger_id, -1)
    # It may have lost rows that neither archive nor checkpoint know.
    uncounted = _may_have_lost(bronze.table, batches)
    return [
        HeldRange(
            end=each.range.end,
            # Seqs are without gaps and begin at 1.
            files=tuple(held[max(each.range.start, 0) : each.range.end]),
            was_committed=each.range.end <= committed,
            may_be_committed=each.range.end <= committed or uncounted,
            is_one=not each.run_id.startswith(REBUILT),
        )
        for each in ledger.claims()
    ]


def count_read(
    config: PipelineConfig, replayed: Iterable[LedgerEvent]
) -> dict[str, int]:
    """Return how many rows each file gave when it was last read, by path."""
    location = config.ops_location("batch_files")
    columns = ["path", "rows", "table_version"]
    found = read_rows(location, equal(pipeline=config.name), columns)
    found += [
        {"path": event.path, **msgspec.structs.asdict(Replayed.of(event.detail))}
        for event in replayed
    ]
    counted = [row for row in found if row["rows"] is not None]
    counted.sort(key=lambda row: int(str(row["table_version"] or -1)))
    return {str(row["path"]): int(str(row["rows"])) for row in counted}


def open_old(root: str) -> Ledger | None:
    """Open what is left of a ledger at its own folder; None where it cannot be read.

    Raises:
        FatalError: a newer release made it.
    """
    try:
        ledger = Ledger.open_at(root)
        if ledger is not None:
            ledger.files()
    except (DeltaError, OSError, FatalError) as error:
        if is_too_new(error):
            raise
        _LOG.warning(
            "ledger %r cannot be read, nothing is taken from it: %s", root, error
        )
        return None
    return ledger


def require_ledger(config: PipelineConfig) -> Ledger:
    """Open the ledger of a pipeline that has one.

    Raises:
        FatalError: it is gone.
    """
    ledger = Ledger.open(config.schema_location)
    if ledger is None:
        raise FatalError(
            Condition.LEDGER_MISMATCH,
            f"ledger of {config.schema_location!r} is gone since the repair began; run "
            f"'sluice checkpoint repair {config.called}' again, it decides again",
        )
    return ledger


def find_ledger_damage(
    config: PipelineConfig, rows: Mapping[str | None, int]
) -> str | None:
    """Return why the ledger cannot number on, None where it can.

    ``rows`` are the table's by file.

    Raises:
        FatalError: a newer release made the ledger.
    """
    try:
        ledger = Ledger.open(config.schema_location)
        if ledger is None:
            return f"there is no ledger under {config.schema_location!r}"
        ledger.claims()
        reason = why_unusable(ledger, rows)
    except TableNotFoundError:
        reason = "its claims are gone"
    except FatalError as error:
        if is_too_new(error):
            raise
        return error.message
    return reason and f"ledger of {config.schema_location!r}: {reason}"


def why_unusable(ledger: Ledger, rows: Mapping[str | None, int]) -> str | None:
    """Return why a ledger cannot number on from what it has, None where it can.

    ``rows`` are the table's by file. Rows of a file without a seq, or without a claim,
    would be read once more; one that no longer lies where it landed cannot be.
    """
    high, claimed = ledger.high_seq(), ledger.claimed_up_to()
    if claimed > high:
        return f"its claims end at seq {claimed}, and its files at {high}"
    seqs = {file.path: file.seq for file in ledger.files()}
    unclaimed = [path for path in rows if path and seqs.get(path, high + 1) > claimed]
    landed = [path for path in unclaimed if storage.status(path) is not None]
    known = [path for path in unclaimed if path in seqs]
    if known or landed:
        return f"the table has rows of {(known or landed)[0]!r}, which it never planned"
    return None


def _history(
    config: PipelineConfig, bronze: Query, checkpoint: CheckpointFacts | None
) -> QueryHistory | None:
    if checkpoint is None or checkpoint.query_id is None:
        return None
    return QueryHistory(config, bronze, checkpoint)


def _committed(batches: Iterable[Batch]) -> dict[str, int]:
    ends: dict[str, int] = {}
    for batch in batches:
        ledger_id, end = batch.ledger_id, batch.end_seq
        if batch.is_done and ledger_id is not None and end is not None:
            ends[ledger_id] = max(ends.get(ledger_id, -1), end)
    return ends


def _may_have_lost(table_location: str, batches: Iterable[Batch]) -> bool:
    """Return True if rows came after all that is known of, and rows went after that."""
    versions = [each.table_version for each in batches]
    newest = max((each for each in versions if each is not None), default=-1)
    commits = iter(read_commits(table_location, after=newest))
    return any(map(_is_batch, commits)) and any(map(_takes_rows, commits))


def _is_batch(commit: TableCommit) -> bool:
    return bool(commit.transactions and commit.added)


def _takes_rows(commit: TableCommit) -> bool:
    return bool(commit.removed and commit.data_change)


def _expected(
    config: PipelineConfig, newer: pa.Table, ledger: Ledger
) -> dict[int, int]:
    """Return how many rows each file has given, by seq; the unknown are left out."""
    within = SeqRange(0, ledger.high_seq())
    archived = archived_readings(config, ledger, within)
    found = _counts(newest_readings(archived, newer))
    left_out = [*ledger.left_out(), *range(1, ledger.first_seq() + 1)]
    found |= {seq: 0 for seq in left_out if not found.get(seq)}
    events = newest_events(
        join(ledger.root, "events"),
        EventKind.REPLAYED,
        after=within.start,
        up_to=within.end,
    )
    return found | _counts(replay_readings(events))


def _counts(readings: pa.Table) -> dict[int, int]:
    pairs = zip(readings["seq"].to_pylist(), readings["rows"].to_pylist(), strict=True)
    return {seq: rows for seq, rows in pairs if rows is not None}


def _held_files(
    files: Sequence[LedgerFile],
    rows: Mapping[str | None, int],
    expected: Mapping[int, int],
) -> Iterator[HeldFile]:
    """Yield the ledger's files; of a path's versions the older ones came first."""
    newest = {file.path: file.seq for file in files}
    left = Counter({path: count for path, count in rows.items() if path is not None})
    for file in files:
        wanted = expected.get(file.seq)
        takes_all = wanted is None or newest[file.path] == file.seq
        count = left[file.path] if takes_all else min(left[file.path], wanted or 0)
        left[file.path] -= count
        yield HeldFile(seq=file.seq, path=file.path, rows=count, expected=wanted)
