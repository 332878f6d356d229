"""Read what a run must know before it begins; no rows, and each table opened once.

The order is what keeps a run that goes on meanwhile from looking broken: checkpoints
first, then the tables, then the ledger. What is read later may only be newer. A
checkpoint that its table is ahead of is read once more at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sluice import storage
from sluice.checkpoint import CheckpointFacts, DeltaOffset, read_checkpoint
from sluice.checkpoint.definition import read_definition
from sluice.delta.log import open_table
from sluice.errors import FatalError
from sluice.history.taken_back import find_taken_back, read_archived_commits
from sluice.ledger.ledger import LedgerHead, read_ledger_head
from sluice.paths import join
from sluice.pipeline import LandedFiles, OtherSource, Pipeline, Query, TableRows
from sluice.rules.facts import QueryFacts, TableHead
from sluice.rules.ledger import count_later_claims
from sluice.versions import is_too_new


@dataclass(frozen=True)
class Opened:
    """A table, None where there is none, or why it cannot be read."""

    table: DeltaTable | None = None
    damage: str | None = None


def read_facts(
    pipeline: Pipeline,
    queries: Sequence[Query],
    archive: DeltaTable | None = None,
) -> list[QueryFacts]:
    """Read the facts of some queries of a pipeline, each as of one moment.

    ``archive`` is the table ``ops/batches`` if it is open already.

    Raises:
        FatalError: a newer release wrote a checkpoint or the ledger.
    """
    checkpoints = [read_or_damage(each.checkpoint) for each in queries]
    read_from = [each.source for each in queries]
    tables = {
        location: open_or_damage(location)
        for location in {
            *(each.table for each in queries),
            *(each.location for each in read_from if isinstance(each, TableRows)),
        }
    }
    archive = archive or open_table(pipeline.ops_location("batches"))
    read = []
    for query, (checkpoint, damage) in zip(queries, checkpoints, strict=True):
        facts = look_at(query, checkpoint, tables[query.table])
        facts = replace(facts, damage=damage)
        facts = _with_rows_taken_back(pipeline, facts, tables[query.table], archive)
        match query.source:
            case LandedFiles(schema_location):
                facts = _with_ledger(facts, schema_location)
            case TableRows(location):
                facts = _with_source(facts, tables[location])
            case OtherSource():
                pass
            case _:
                assert_never(query.source)
        read.append(look_again(facts))
    return read


def look_at(
    query: Query, checkpoint: CheckpointFacts | None, opened: Opened
) -> QueryFacts:
    """Return what a checkpoint and an open table say of a query."""
    query_id = checkpoint.query_id if checkpoint else None
    return QueryFacts(
        query=query,
        checkpoint=checkpoint,
        table=_head(opened.table, query_id),
        table_damage=opened.damage,
        planned_later=_newest(checkpoint),
    )


def open_or_damage(location: str) -> Opened:
    """Open a table, or say why it cannot be read."""
    try:
        return Opened(open_table(location))
    except DeltaError as error:
        return Opened(damage=f"table {location!r} cannot be read: {error}")


def read_or_damage(location: str) -> tuple[CheckpointFacts | None, str | None]:
    """Read a checkpoint, or say why it cannot be read."""
    try:
        return read_checkpoint(location), None
    except FatalError as error:
        if is_too_new(error):
            raise
        return None, error.message


def _head(table: DeltaTable | None, query_id: str | None) -> TableHead | None:
    if table is None:
        return None
    return TableHead(
        table_id=str(table.metadata().id),
        version=table.version(),
        has_files=bool(table.file_uris()),
        newest_transaction=table.transaction_version(query_id) if query_id else None,
    )


def _newest(checkpoint: CheckpointFacts | None) -> int:
    return max(checkpoint.offsets, default=-1) if checkpoint else -1


def _with_rows_taken_back(
    pipeline: Pipeline,
    facts: QueryFacts,
    opened: Opened,
    archive: DeltaTable | None,
) -> QueryFacts:
    query_id = facts.checkpoint.query_id if facts.checkpoint else None
    if opened.table is None or query_id is None:
        return facts
    archived = read_archived_commits(archive, pipeline.name, query_id)
    try:
        found = find_taken_back(facts.query, query_id, opened.table, archived)
    except FatalError as error:
        return replace(facts, table_damage=error.message)
    return replace(facts, taken_back=found)


def _with_ledger(facts: QueryFacts, schema_location: str) -> QueryFacts:
    try:
        head = read_ledger_head(schema_location)
        if head is None:
            return facts
        later = _count_later_claims(head, facts)
        return replace(facts, ledger=head, later_claims=later)
    except FatalError as error:
        if is_too_new(error):
            raise
        return replace(facts, ledger_damage=error.message)


def _count_later_claims(head: LedgerHead, facts: QueryFacts) -> int:
    """Count the claims that begin at the checkpoint's end, if its table is ahead."""
    if head.claimed_up_to is None or facts.written <= facts.planned_later:
        return 0
    return count_later_claims(facts, head.ledger.claims())


def _with_source(facts: QueryFacts, bronze: Opened) -> QueryFacts:
    checkpoint = facts.checkpoint
    needs_state = checkpoint is not None and bool(checkpoint.commits)
    begun_as, damage = _read_definition(facts)
    return replace(
        facts,
        source=_head(bronze.table, None),
        source_damage=bronze.damage,
        expired=_find_expired(facts, bronze.table),
        damage=facts.damage or damage,
        begun_as=begun_as,
        has_state=not needs_state or storage.has_keys(facts.query.checkpoint, "state"),
    )


def _find_expired(facts: QueryFacts, source: DeltaTable | None) -> int | None:
    """Return the commit that a query reads next, if its table no longer has it.

    Storage is asked only if something is unread. In its first snapshot of a table a
    query reads no commits.
    """
    start = facts.checkpoint.next_start if facts.checkpoint else None
    if source is None or not isinstance(start, DeltaOffset) or start.is_starting:
        return None
    if start.version > source.version():
        return None
    log = join(facts.query.source.location, "_delta_log")
    found = storage.status(join(log, f"{start.version:020}.json"))
    return start.version if found is None else None


def _read_definition(facts: QueryFacts) -> tuple[str, str | None]:
    try:
        return read_definition(facts.query.checkpoint) or "", None
    except FatalError as error:
        return "", error.message


def look_again(facts: QueryFacts) -> QueryFacts:
    """Look at a checkpoint again that its table is ahead of."""
    table = facts.table
    is_behind = facts.written > facts.planned_later or (
        facts.planned_later < 0 and table is not None and table.has_files
    )
    if facts.damage is not None or not is_behind:
        return facts
    now, _ = read_or_damage(facts.query.checkpoint)
    return replace(facts, planned_later=_newest(now))
