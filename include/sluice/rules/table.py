"""Rules of a table: it has what its query wrote, and is the one that silver read."""

from __future__ import annotations

from sluice.checkpoint import DeltaOffset
from sluice.errors import Condition
from sluice.rules.facts import QueryFacts, TableHead
from sluice.rules.findings import Code
from sluice.rules.refusal import Refusal


def check_table_readable(facts: QueryFacts) -> Refusal | None:
    """A table whose log cannot be read is refused."""
    return _unreadable(facts, facts.table_damage)


def check_transactions(facts: QueryFacts) -> Refusal | None:
    """The table has each micro-batch that its query finished.

    Spark plans a batch once the one before is in the table, and repeats only the
    newest: files that the commit log has lost since do not bring others back.
    """
    checkpoint, query = facts.checkpoint, facts.query
    if checkpoint is None or not checkpoint.offsets:
        return None
    done = max(*checkpoint.commits, -1, max(checkpoint.offsets) - 1)
    written = facts.newest_transaction
    if done <= facts.written:
        return None
    return Refusal(
        code=Code.TRANSACTION_MISSING,
        condition=Condition.TABLE_REWOUND,
        query=query.name,
        evidence=(
            f"table {query.table!r} has micro-batches up to {written} of query "
            f"{checkpoint.query_id}, but its checkpoint {checkpoint.location!r} "
            f"finished {done}"
        ),
        harm="rows of the batches between are missing and would stay so",
        remedy="restore the table, or run {repair}",
        context={"written": written, "committed": done},
    )


def check_taken_back(facts: QueryFacts) -> Refusal | None:
    """RESTORE keeps transactions, so Delta would skip the rows that it took."""
    if facts.taken_back is None or facts.checkpoint is None:
        return None
    return Refusal(
        code=Code.TABLE_REWOUND,
        condition=Condition.TABLE_REWOUND,
        query=facts.query.name,
        evidence=(
            f"table {facts.query.table!r} no longer holds what query "
            f"{facts.checkpoint.query_id} wrote: {facts.taken_back}"
        ),
        harm="these rows would never come again",
        remedy=(
            "{repair} has their files read again (or leaves them out, with --skip)"
        ),
        context={"table": facts.query.table, "evidence": facts.taken_back},
    )


def check_source(facts: QueryFacts) -> Refusal | None:
    """Silver goes on in the bronze table that it has read."""
    if facts.source_damage is not None:
        return _unreadable(facts, facts.source_damage)
    evidence = _find_other_source(facts)
    location = facts.query.checkpoint
    if evidence is None:
        return None
    return Refusal(
        code=Code.TABLE_REWOUND,
        condition=Condition.TABLE_REWOUND,
        query=facts.query.name,
        evidence=(
            f"table {facts.query.source.location!r} {evidence} by silver's checkpoint "
            f"{location!r}"
        ),
        harm=(
            "rows that come again would be missing from "
            f"{facts.query.table!r}, or be there twice"
        ),
        remedy=(
            "restore bronze and silver from one backup, or run {repair}, which has "
            "silver recomputed"
        ),
        context={"table": facts.query.source.location, "evidence": evidence},
    )


def check_source_log(facts: QueryFacts) -> Refusal | None:
    """Bronze's log still has the commit that silver reads next."""
    if facts.expired is None:
        return None
    location = facts.query.source.location
    return Refusal(
        code=Code.SOURCE_EXPIRED,
        condition=Condition.SOURCE_EXPIRED,
        query=facts.query.name,
        evidence=(
            f"the log of table {location!r} no longer has commit {facts.expired}, "
            f"which silver's checkpoint {facts.query.checkpoint!r} is to read next"
        ),
        harm="the windows of what was written since cannot be added to those there",
        remedy=(
            "{repair} has silver recomputed from bronze, which has all rows; where "
            "silver may stand still for long, raise 'delta.logRetentionDuration'"
        ),
        context={"table": location, "version": facts.expired},
    )


def _unreadable(facts: QueryFacts, damage: str | None) -> Refusal | None:
    if damage is None:
        return None
    return Refusal(
        code=Code.TABLE_UNREADABLE,
        condition=Condition.TABLE_UNREADABLE,
        query=facts.query.name,
        evidence=damage,
        remedy="restore it from a backup",
    )


def _find_other_source(facts: QueryFacts) -> str | None:
    """Return how bronze is not what silver's stream has read, None where it is.

    Delta's offset names the table and the version to read next. A table that was set
    back and has grown again would be passed over up to there, without a word.
    """
    checkpoint = facts.checkpoint
    if checkpoint is None or not checkpoint.offsets:
        return None
    end = checkpoint.offsets[max(checkpoint.offsets)].end
    return _differs(facts.source, end) if isinstance(end, DeltaOffset) else None


def _differs(source: TableHead | None, end: DeltaOffset) -> str | None:
    if source is None:
        return "is gone, and was read"
    if end.table_id not in {None, source.table_id}:
        return f"is another table, with id {source.table_id}, than was read"
    if end.version > source.version + 1:
        return f"is at version {source.version}, and was read up to {end.version - 1}"
    return None
