"""The values of the protocol's model: storage as one immutable value, and drivers.

What decides is the real code, here the preflight's checks. What stores is a double:
Delta tables with app transactions, and a checkpoint of files written put-if-absent.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from sluice.checkpoint import CheckpointFacts
from sluice.checkpoint.parse import ADOPTS, CommitEntry, OffsetEntry
from sluice.delta.log import TableCommit
from sluice.errors import Condition
from sluice.history.taken_back import ArchivedCommits, describe_lost
from sluice.ledger.ledger import Ledger, LedgerHead
from sluice.model import CHAIN_START, Claim, SeqRange
from sluice.pipeline import LandedFiles, Query
from sluice.rules.book import find_refusal
from sluice.rules.facts import QueryFacts, TableHead
from sluice.rules.ledger import count_later_claims
from sluice.versions import ledger_offset

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
REPAIRED = 50
"""The first query id that a repair gives; no run has one as high."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of the protocol; a mutant is the protocol without one of them."""

    offsets_name_the_ledger: bool = True
    files_through_snapshot: bool = True
    anti_join: bool = True
    ranges_counted: bool = True
    claims: bool = True
    claim_before_offsets: bool = True
    first_claim_stands: bool = True
    claims_through_snapshot: bool = True
    sink_transactions: bool = True
    first_batch_claimed: bool = True
    preflight: bool = True
    query_id_by_preflight: bool = True
    commits_before_offsets: bool = True
    table_before_claims: bool = True
    checkpoint_looked_at_again: bool = True
    rows_looked_at: bool = True
    repair: bool = True
    repair_written_down: bool = True
    repair_decided_again: bool = True
    repair_has_new_query_id: bool = True
    repair_tells_the_table: bool = True
    # The rules of schemas, for a protocol that has any: of the store of versions, of
    # tasks that meet a new field, and of an undo.
    versions_stand: bool = True
    whole_batch_evolved: bool = True
    saved_before_failing: bool = True
    old_schema_fails: bool = True
    undo_is_remembered: bool = True
    undo_looks_for_values: bool = True
    updates_conflict: bool = True
    # No rules but properties of the checkpoint's storage: whether Spark's own writes of
    # the query id, and of offset and commit log, are refused where a file is there. The
    # protocol must do without both.
    metadata_refuses: bool = True
    logs_refuse: bool = True


Value = tuple[int, str]
"""The value of a field in a file."""


class Kept(NamedTuple):
    """One version of the schema."""

    fields: tuple[str, ...]
    undone: tuple[str, ...] = ()
    undone_to: int | None = None


class Written(NamedTuple):
    """One version of the table: a micro-batch's rows, or what a user did to it.

    ``back_to`` is the version that a RESTORE went back to. Of the values of a batch's
    files those that are not in ``columns`` are rescued; an undo has ``moved`` some.
    """

    operation: str
    query: int = 0
    batch: int = -1
    files: tuple[int, ...] = ()
    back_to: int = -1
    columns: tuple[Value, ...] = ()
    moved: tuple[Value, ...] = ()


class Pending(NamedTuple):
    """A repair that was begun: what it decided, and how many steps are done."""

    query: int
    end: int
    log: tuple[Written, ...]  # the table that this was decided on
    files: tuple[int, ...] | None = None  # those that a rebuilt ledger begins with
    done: int = 0


class Store(NamedTuple):
    """All that survives a crash; ``ledger`` and ``query`` are ids, 0 where absent."""

    landed: int = 0
    ledgers_made: int = 0
    ledger: int = 0
    files: tuple[tuple[int, int], ...] = ()  # (seq, file), in order of commits
    high: int = 0
    claims: tuple[tuple[int, int], ...] = ()  # (start, end), in order of commits
    rebuilt: bool = False  # the first claim is of many commits
    query: int = 0
    offsets: tuple[tuple[int, int, int], ...] = ()  # (batch, ledger, seq)
    commits: tuple[int, ...] = ()
    adopts: bool = False  # batch 0 was written by a repair
    log: tuple[Written, ...] = ()
    transactions: tuple[tuple[int, int], ...] = ()  # (query, batch)
    pending: Pending | None = None
    repairs: int = 0
    schemas: tuple[Kept, ...] = ()  # by their numbers; none where files have no fields

    def newest_batch(self, query: int) -> int:
        """Return the newest batch of ``query`` that the table has seen, or -1."""
        return dict(self.transactions).get(query, -1)

    def rows(self) -> Counter[int]:
        """Return how often each file is in the table."""
        return Counter(rows_at(self.log, len(self.log) - 1))


@cache
def rows_at(log: tuple[Written, ...], version: int) -> tuple[int, ...]:
    """Return the files whose rows the table held at a version, as often as it did."""
    if version < 0:
        return ()
    commit = log[version]
    if commit.operation == "RESTORE":
        return rows_at(log, commit.back_to)
    if commit.operation == "DELETE":
        return ()
    return (*rows_at(log, version - 1), *commit.files)


class Seen(NamedTuple):
    """What a preflight has read so far, each part in a step of its own."""

    query: int = 0
    offsets: tuple[tuple[int, int, int], ...] = ()
    commits: tuple[int, ...] = ()
    adopts: bool = False
    log: tuple[Written, ...] = ()
    transactions: tuple[tuple[int, int], ...] = ()
    ledger: int = 0
    high: int = 0
    claims: tuple[tuple[int, int], ...] = ()
    began: bool = False  # there are offsets at the end of the preflight
    pending: bool = False


class Driver(NamedTuple):
    """One run, alive: what its process knows, and the step that it takes next."""

    step: str
    run: int
    limit: int
    seen: Seen = Seen()
    listed: int = 0
    snapshot: int = 0
    high: int = 0
    target: int = -1  # not known before Spark has started
    query: int = 0
    ledger: int = 0
    batch: int = 0
    start: int = CHAIN_START
    end: int = CHAIN_START
    schema: int = -1
    restarts: int = 0  # by this batch
    undone: tuple[str, ...] = ()
    moved: tuple[Value, ...] = ()


def files_of(store: Store, driver: Driver) -> tuple[int, ...]:
    """Return the files of a driver's range."""
    return tuple(file for seq, file in store.files if driver.start < seq <= driver.end)


class Ended(NamedTuple):
    """A run that is over: ``done``, ``refused`` by the preflight, or ``failed``."""

    how: str
    why: str = ""


@cache
def refused_by_preflight(seen: Seen) -> str | None:
    """Return the condition with which the real preflight refuses, if it does."""
    if seen.pending:
        return str(Condition.REPAIR_UNFINISHED)
    refusal = find_refusal(_facts(seen))
    return str(refusal.condition) if refusal else None


def _facts(seen: Seen) -> QueryFacts:
    """Return what the real reader would make of what was seen."""
    checkpoint, query_id = checkpoint_facts(seen), str(seen.query)
    rows = rows_at(seen.log, len(seen.log) - 1)
    facts = QueryFacts(
        query=Query("bronze", "/checkpoint", "/bronze", LandedFiles("/schemas")),
        checkpoint=checkpoint,
        table=TableHead(
            table_id="bronze",
            version=len(seen.log) - 1,
            has_files=bool(rows),
            newest_transaction=dict(seen.transactions).get(seen.query),
        ),
        taken_back=describe_lost(
            commits_of(seen.log), query_id, ArchivedCommits(), is_empty=not rows
        ),
        ledger=LedgerHead(
            ledger=Ledger("/ledger", str(seen.ledger)),
            high_seq=seen.high,
            claimed_up_to=seen.claims[-1][1] if seen.claims else CHAIN_START,
        )
        if seen.ledger
        else None,
        planned_later=0 if seen.began else -1,
    )
    claims = [Claim(SeqRange(*each), "run", MOMENT) for each in seen.claims]
    return replace(facts, later_claims=count_later_claims(facts, claims))


@cache
def commits_of(log: tuple[Written, ...]) -> list[TableCommit]:
    """Return the table's log as the real reader returns it."""
    return [_commit(version, each) for version, each in enumerate(log)]


def _commit(version: int, commit: Written) -> TableCommit:
    """Return one commit; its kind alone decides what it removed."""
    is_batch = commit.operation == "BATCH"
    return TableCommit(
        version=version,
        committed_at=MOMENT,
        operation=commit.operation,
        parameters={"version": str(commit.back_to)},
        metrics={},
        transactions={str(commit.query): commit.batch} if is_batch else {},
        added=commit.files,  # type: ignore[arg-type]  # only whether there are any
        removed=() if is_batch else ("part",),
        data_change=True,
        is_blind_append=is_batch,
        user_metadata=None,
    )


def checkpoint_facts(seen: Seen) -> CheckpointFacts | None:
    """Return what the real reader would make of the checkpoint as it was seen."""
    if not (seen.query or seen.offsets or seen.commits):
        return None
    offsets = {
        batch: OffsetEntry(
            batch_id=batch,
            version=1,
            watermark_ms=0,
            timestamp_ms=0,
            conf={ADOPTS: "true"} if batch == 0 and seen.adopts else {},
            offsets=(json.dumps(ledger_offset(str(ledger), seq)),),
        )
        for batch, ledger, seq in seen.offsets
    }
    commits = {batch: CommitEntry(batch, 1, 0) for batch in seen.commits}
    query_id = str(seen.query) if seen.query else None
    return CheckpointFacts("/checkpoint", query_id, offsets, commits)
