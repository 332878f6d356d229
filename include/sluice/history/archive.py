"""Keep every micro-batch: Spark forgets after 100, Delta's log after 30 days.

Append-only tables, ``ops/batches``, ``ops/batch_files`` and, of pipelines with rules on
rows, ``ops/rules``. A batch goes in when it
is done: committed, or overtaken by a later one. Each append carries the batch id up to
which it archives as a Delta transaction, so of two archivers the second is refused and
no batch comes twice. The tables advance on their own: a kill between the appends
leaves some behind, and the next call mends it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import TableNotFoundError

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.delta.log import AddedFile, TableCommit, open_table, read_commits
from sluice.delta.tables import commit_until_won, equal
from sluice.history.batch import Batch, Offsets, commits_by_batch, describe_batches
from sluice.history.rows import count_added_rows
from sluice.history.tables import (
    BATCH_FILES_SCHEMA,
    BATCHES_SCHEMA,
    append_archived,
    open_or_create,
    read_rows,
)
from sluice.history.violations import (
    RULES_SCHEMA,
    TABLE,
    count_violations,
    has_violations,
    newest_quarantined,
)
from sluice.ledger.ledger import Ledger
from sluice.model import BatchKind, SeqRange
from sluice.pipeline import LandedFiles, Query

if TYPE_CHECKING:
    from sluice.pipeline import Pipeline

Row = dict[str, object]


@dataclass(frozen=True)
class Done:
    """A batch that may be archived, with the table commit that holds its rows."""

    batch: Batch
    commit: TableCommit | None


@dataclass(frozen=True)
class QueryHistory:
    """One query of a pipeline with what its checkpoint says now.

    ``counts_rows`` is False where the table does not say which file a row is from.
    """

    pipeline: Pipeline
    query: Query
    checkpoint: CheckpointFacts
    counts_rows: bool = True

    @cached_property
    def ledger(self) -> Ledger | None:
        """The ledger, for the query that reads it."""
        source = self.query.source
        if not isinstance(source, LandedFiles):
            return None
        return Ledger.open(source.location)

    @property
    def query_id(self) -> str:
        """The id under which the query commits to its table."""
        return self.checkpoint.query_id or ""

    @property
    def archive_id(self) -> str:
        """The application id under which this query's batches are archived."""
        return f"sluice-history-{self.pipeline.name}-{self.query.name}-{self.query_id}"

    @cached_property
    def quarantined(self) -> Mapping[int, TableCommit]:
        """The commits to the table of rows in quarantine that may not be archived yet.

        They are by batch; ``ops/rules`` is archived last, and names the newest known.
        """
        location = self.query.quarantine
        if location is None or open_table(location) is None:
            return {}
        after = newest_quarantined(self.pipeline, self.query_id)
        return commits_by_batch(read_commits(location, after=after), self.query_id)

    def added_to_quarantine(self, batch_id: int) -> Sequence[AddedFile]:
        """Return the data files in which rows of a batch went to quarantine."""
        commit = self.quarantined.get(batch_id)
        return commit.added if commit else ()


def archive_history(pipeline: Pipeline, *, batches: DeltaTable | None = None) -> None:
    """Append every batch that is done and not archived yet, for all queries.

    ``batches`` is the table ``ops/batches`` if it is open already.

    Costs what is new: the checkpoint's last batches, the newer part of the table's log,
    and two columns of the data files which that added.

    Raises:
        FatalError: a checkpoint or a table's log is damaged.
        RetryableError: other archivers were faster all the time.
    """
    for query in pipeline.queries:
        checkpoint = read_checkpoint(query.checkpoint)
        if checkpoint is None or checkpoint.query_id is None:
            continue
        history = QueryHistory(pipeline, query, checkpoint)
        _archive(history, "batches", BATCHES_SCHEMA, _batch_rows, opened=batches)
        if isinstance(query.source, LandedFiles):
            found = _archive(history, "batch_files", BATCH_FILES_SCHEMA, _file_rows)
            # Without rules, now or before, a run with nothing new opens no table more.
            if query.has_rules or (found and has_violations(query)):
                _archive(history, TABLE, RULES_SCHEMA, _rule_rows)


def find_done(history: QueryHistory, *, after: int) -> list[Done]:
    """Return the batches above ``after`` that are done: no later call changes them."""
    checkpoint = history.checkpoint
    newest = checkpoint.last_planned
    return [
        each
        for each in find_planned(history, after=after)
        if each.batch.committed or each.batch.batch_id != newest
    ]


def find_planned(history: QueryHistory, *, after: int) -> list[Done]:
    """Return all batches above ``after`` that the checkpoint holds, oldest first."""
    if (history.checkpoint.last_planned or 0) < after + 1 and after >= 0:
        return []
    start, version = _archived_end(history, after)
    commits = commits_by_batch(
        read_commits(history.query.table, after=version), history.query_id
    )
    batches = describe_batches(
        history.query.name, history.checkpoint, commits, after=after, start=start
    )
    return [
        Done(each, commits.get(each.batch_id)) for each in _with_runs(history, batches)
    ]


def batch_from_row(row: Row) -> Batch:
    """Return the batch that an archived row holds."""
    values = {key: value for key, value in row.items() if key != "pipeline"}
    values["kind"] = BatchKind(str(row["kind"]))
    for key in ("start_offsets", "end_offsets"):
        text = row[key]
        values[key] = None if text is None else tuple(json.loads(str(text)))
    return Batch(**values)  # type: ignore[arg-type]  # the table's schema has the types


def file_rows(history: QueryHistory, done: Done) -> Iterator[Row]:
    """Yield one row for each file that the batch read or that its commit names.

    Of two versions of a name in one batch only the newest was read: the others had been
    replaced before.
    """
    batch, ledger = done.batch, history.ledger
    within = batch.seq_range
    files = ledger.files(within.start, within.end) if ledger and within else []
    counts = (
        count_added_rows(history.query.table, done.commit.added)
        if done.commit and history.counts_rows
        else None
    )
    dropped = _dropped(history, batch)
    set_aside = _set_aside(history, batch)
    newest = {file.path: file.seq for file in files}
    seqs: list[tuple[str, int | None]] = [(file.path, file.seq) for file in files]
    seqs += (
        [(path, None) for path in counts.rows if path not in newest] if counts else []
    )
    for path, seq in seqs:
        was_read = seq == newest.get(path)
        yield {
            "pipeline": history.pipeline.name,
            "query_id": batch.query_id,
            "batch_id": batch.batch_id,
            "path": path,
            "seq": seq,
            "rows": counts.rows[path] * was_read if counts else None,
            "rescued_rows": counts.rescued[path] * was_read if counts else None,
            "dropped_records": None if seq is None else dropped[seq],
            "quarantined_rows": None
            if set_aside is None
            else set_aside[path] * was_read,
            "table_version": batch.table_version,
            "ledger_id": batch.ledger_id,
            "committed_at": batch.committed_at,
        }


def _set_aside(history: QueryHistory, batch: Batch) -> Counter[str] | None:
    """Count by path the rows that went to quarantine, None where they are gone."""
    added = history.added_to_quarantine(batch.batch_id)
    if not added or history.query.quarantine is None:
        return Counter()
    counts = count_added_rows(history.query.quarantine, added)
    return counts.rows if counts else None


def _dropped(history: QueryHistory, batch: Batch) -> Counter[int]:
    """Count by seq the records that a batch dropped, not those of files left out."""
    ledger = history.ledger
    if ledger is None or batch.end_seq is None or batch.ledger_id != ledger.ledger_id:
        return Counter()
    counts = ledger.dropped(batch.end_seq)
    left_out = ledger.left_out() if counts else {}
    return Counter({seq: n for seq, n in counts.items() if seq not in left_out})


def _archive(
    history: QueryHistory,
    name: str,
    schema: pa.Schema,
    make_rows: Callable[[QueryHistory, Sequence[Done]], list[Row]],
    *,
    opened: DeltaTable | None = None,
) -> bool:
    """Append what is done to a table; return True if there was anything."""
    location = history.pipeline.ops_location(name)
    # One that is older than another archiver's append refuses ours.
    at_first = [opened] if opened else []

    def attempt() -> bool | None:
        table = at_first.pop() if at_first else open_or_create(location, schema)
        done = find_done(history, after=_archived_up_to(table, history.archive_id))
        if not done:
            return False
        rows = make_rows(history, done)
        transaction = Transaction(history.archive_id, done[-1].batch.batch_id)
        return append_archived(table, schema, rows, transaction) or None

    return commit_until_won(f"archive {location!r}", attempt)


def _archived_up_to(table: DeltaTable, archive_id: str) -> int:
    newest = table.transaction_version(archive_id)
    return -1 if newest is None else newest


def _archived_end(history: QueryHistory, batch_id: int) -> tuple[Offsets | None, int]:
    """Return where an archived batch ended, and in which version of its table."""
    if batch_id < 0:
        return None, -1
    where = equal(
        pipeline=history.pipeline.name, query_id=history.query_id, batch_id=batch_id
    )
    rows = read_rows(history.pipeline.ops_location("batches"), where)
    if not rows:
        return None, -1
    batch = batch_from_row(rows[0])
    version = -1 if batch.table_version is None else batch.table_version
    return batch.end_offsets, version


def _with_runs(history: QueryHistory, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Add to each batch over the ledger the run that claimed its range."""
    runs = _claim_runs(history.ledger)
    for batch in batches:
        within = batch.seq_range
        yield replace(batch, run_id=runs.get(within)) if within else batch


def _claim_runs(ledger: Ledger | None) -> dict[SeqRange, str]:
    try:
        return {each.range: each.run_id for each in ledger.claims()} if ledger else {}
    except TableNotFoundError:
        return {}  # the preflight refuses to go on without them; what was done stays


def _batch_rows(history: QueryHistory, done: Sequence[Done]) -> list[Row]:
    return [_batch_row(history.pipeline.name, each.batch) for each in done]


def _batch_row(pipeline: str, batch: Batch) -> Row:
    start = batch.start_offsets
    return {
        **vars(batch),
        "pipeline": pipeline,
        "start_offsets": None if start is None else json.dumps(start),
        "end_offsets": json.dumps(batch.end_offsets),
    }


def _file_rows(history: QueryHistory, done: Sequence[Done]) -> list[Row]:
    return [row for each in done for row in file_rows(history, each)]


def _rule_rows(history: QueryHistory, done: Sequence[Done]) -> list[Row]:
    return [row for each in done for row in _violations(history, each)]


def _violations(history: QueryHistory, done: Done) -> Iterator[Row]:
    batch, quarantine = done.batch, history.query.quarantine
    if done.commit:
        counts = count_violations(history.query.table, done.commit.added)
        yield from _rows_of(history, batch, counts, None)
    set_aside = history.quarantined.get(batch.batch_id)
    if set_aside and quarantine and batch.is_done:
        counts = count_violations(quarantine, set_aside.added)
        yield from _rows_of(history, batch, counts, set_aside.version)


def _rows_of(
    history: QueryHistory,
    batch: Batch,
    counts: Mapping[tuple[str, str], int],
    quarantine_version: int | None,
) -> Iterator[Row]:
    for (path, rule), rows in counts.items():
        yield {
            "pipeline": history.pipeline.name,
            "query_id": batch.query_id,
            "batch_id": batch.batch_id,
            "run_id": batch.run_id,
            "path": path,
            "rule": rule,
            "rows": rows,
            "table_version": batch.table_version,
            "quarantine_version": quarantine_version,
            "committed_at": batch.committed_at,
        }
