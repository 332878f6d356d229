"""The exact number of late rows of every silver micro-batch: ``ops/silver_batches``.

Spark counts what it drops by group and per batch, after a first aggregation: 57 late
rows were 2 to it. Here the rows themselves are counted, in the data files that a batch
read, under the watermark that the batch dropped by.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import Transaction

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.delta.log import TableCommit, read_commits
from sluice.delta.tables import commit_until_won, equal
from sluice.history.batch import commits_by_batch
from sluice.history.late import NEEDED, TABLE, dump_needed
from sluice.history.tables import append_archived, open_or_create, read_rows
from sluice.silver import batch_rows
from sluice.silver.batch_rows import BatchRows
from sluice.silver.batches import SilverBatch, list_batches, list_files
from sluice.silver.late_rows import LateRows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)
_TIMESTAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("silver", pa.string(), nullable=False),
        pa.field("query_id", pa.string(), nullable=False),
        pa.field("batch_id", pa.int64(), nullable=False),
        pa.field("bronze_start_version", pa.int64()),
        pa.field("bronze_end_version", pa.int64(), nullable=False),
        pa.field("input_rows", pa.int64()),
        pa.field("late_rows", pa.int64()),
        pa.field(NEEDED, pa.string()),
        pa.field("null_event_time_rows", pa.int64()),
        pa.field("future_rows", pa.int64()),
        pa.field("windows_emitted", pa.int64()),
        pa.field("table_version", pa.int64()),
        pa.field("late_watermark", _TIMESTAMP, nullable=False),
        pa.field("watermark", _TIMESTAMP, nullable=False),
        pa.field("archived_at", _TIMESTAMP, nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)
COUNTED = (batch_rows.COUNTED[0], "windows_emitted", *batch_rows.COUNTED[1:])

Row = Mapping[str, object]


@dataclass(frozen=True)
class Archived:
    """What one call has archived; ``notes`` name every batch that was not counted."""

    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, later: Archived) -> Archived:
        """Return what two calls have archived."""
        return Archived(self.rows + later.rows, self.notes + later.notes)

    def total(self, count: str) -> int:
        """Add up one of the ``COUNTED`` columns."""
        return sum(int(str(row[count] or 0)) for row in self.rows)


def archive_batches(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig, *, run_id: str
) -> Archived:
    """Count and keep every committed micro-batch that is not in the archive yet.

    Reads only the event times of what those batches read. May be called at any time and
    by several processes: a batch is archived once.

    Raises:
        RetryableError: other processes archived first all the time.
    """
    facts = read_checkpoint(config.silver_checkpoint_location(silver))
    newest_done = facts.last_committed if facts else None
    if facts is None or newest_done is None:
        return Archived()
    location = config.ops_location(TABLE)
    app_id = f"sluice-{TABLE}-{facts.query_id}"
    query = _Query(spark, config, silver, facts, run_id)

    def attempt() -> Archived | None:
        table = open_or_create(location, SCHEMA)
        newest = table.transaction_version(app_id)
        last = -1 if newest is None else newest
        archived = query.count_batches(after=last)
        rows = [_stamp(row, config, silver, run_id) for row in archived.rows]
        if not rows:
            return archived
        transaction = Transaction(app_id=app_id, version=newest_done)
        if append_archived(table, SCHEMA, rows, transaction):
            return archived
        return None

    return commit_until_won(f"table {location!r}", attempt)


def _stamp(
    row: Row, config: PipelineConfig, silver: SilverConfig, run_id: str
) -> dict[str, object]:
    stamps = {"archived_at": datetime.now(UTC), "run_id": run_id}
    return {"pipeline": config.name, "silver": silver.name, **row, **stamps}


@dataclass(frozen=True)
class _Query:
    """The query of a silver table whose micro-batches a run archives."""

    spark: SparkSession
    config: PipelineConfig
    silver: SilverConfig
    facts: CheckpointFacts
    run_id: str

    def count_batches(self, *, after: int) -> Archived:
        """Count the batches above ``after``, and treat the late rows of each."""
        batches = list_batches(self.facts, after=after)
        files = list_files(self.config.bronze_location, batches)
        commits = _silver_commits(self.config, self.silver, self.facts, after)
        rows = [
            {
                **_facts_of(batch, self.facts),
                **self._count(batch, files[batch.batch_id]),
                **_emitted(commits.get(batch.batch_id)),
            }
            for batch in batches
        ]
        notes = _notes(self.silver, rows, self.facts, after)
        return Archived(tuple(rows), tuple(notes))

    def _count(
        self, batch: SilverBatch, files: Sequence[str] | None
    ) -> dict[str, int | str | None]:
        read = BatchRows(self.spark, self.config.bronze_location, self.silver)
        counts = read.count(batch, files)
        if not files or counts["late_rows"] is None:
            return {**counts, NEEDED: None}
        if self.silver.window.is_session and self.silver.late_data == "repair":
            # A row in time may belong to a session that was closed before it came.
            self._treat(batch, read.behind(batch, files))
        elif counts["late_rows"]:
            self._treat(batch, read.late(batch, files))
        needed = counts["late_rows"] and dump_needed(read.count_needed(batch, files))
        return {**counts, NEEDED: needed or None}

    def _treat(self, batch: SilverBatch, rows: DataFrame) -> None:
        LateRows(
            config=self.config,
            silver=self.silver,
            query_id=str(self.facts.query_id),
            run_id=self.run_id,
            batch=batch,
            rows=rows,
        ).treat()


def _facts_of(batch: SilverBatch, facts: CheckpointFacts) -> dict[str, object]:
    return {
        "query_id": facts.query_id,
        "batch_id": batch.batch_id,
        "bronze_start_version": batch.start_version,
        "bronze_end_version": batch.end_version,
        "late_watermark": batch.late_watermark,
        "watermark": batch.watermark,
    }


def _silver_commits(
    config: PipelineConfig, silver: SilverConfig, facts: CheckpointFacts, last: int
) -> dict[int, TableCommit]:
    """Return silver's commits by batch id, from the last archived batch on."""
    is_last = equal(query_id=facts.query_id, batch_id=last)
    rows = read_rows(config.ops_location(TABLE), is_last, ["table_version"])
    versions = [
        row["table_version"] for row in rows if row["table_version"] is not None
    ]
    after = int(str(versions[0])) if versions else -1
    commits = read_commits(config.silver_location(silver), after=after)
    return commits_by_batch(commits, str(facts.query_id))


def _emitted(commit: TableCommit | None) -> dict[str, int | None]:
    return {
        "windows_emitted": commit.rows_written if commit else None,
        "table_version": commit.version if commit else None,
    }


def _notes(
    silver: SilverConfig, rows: Sequence[Row], facts: CheckpointFacts, last: int
) -> list[str]:
    """Say which batches could not be counted, for a count of 0 would be a lie."""
    unknown = [row["batch_id"] for row in rows if row["late_rows"] is None]
    listed = {row["batch_id"] for row in rows}
    committed = range(last + 1, (facts.last_committed or 0) + 1)
    purged = [batch for batch in committed if batch not in listed]
    notes = []
    if unknown:
        notes.append(
            f"silver {silver.name!r}: late rows of batches {unknown} are unknown, "
            "bronze no longer has what they read"
        )
    if purged:
        notes.append(
            f"silver {silver.name!r}: late rows of batches {purged} are unknown, "
            "the checkpoint no longer has their offsets"
        )
    for note in notes:
        _LOG.warning("%s", note)
    return notes
