"""Rules of a checkpoint: its logs are whole, and it is there where its table is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from sluice.checkpoint import CheckpointFacts
from sluice.checkpoint.definition import compare
from sluice.errors import Condition
from sluice.pipeline import LandedFiles, OtherSource, TableRows
from sluice.rules.facts import QueryFacts
from sluice.rules.findings import Code
from sluice.rules.refusal import Refusal


def check_readable(facts: QueryFacts) -> Refusal | None:
    """A damaged checkpoint is refused by the names of its files."""
    if facts.damage is None:
        return None
    return Refusal(
        code=Code.CHECKPOINT_UNREADABLE,
        condition=Condition.CHECKPOINT_UNREADABLE,
        query=facts.query.name,
        evidence=facts.damage,
        remedy="without one, run {repair}",
        context={"checkpoint": facts.query.checkpoint},
    )


def check_begun(facts: QueryFacts) -> Refusal | None:
    """Without a checkpoint all is read again: right only for an unused table."""
    if _has_offsets(facts) or facts.planned_later >= 0 or not _is_used(facts):
        return None
    query = facts.query
    match query.source:
        case LandedFiles() | OtherSource():
            harm = "reading from the start would double or lose rows"
            remedy = (
                "{repair} goes on after the files that the table holds; to start over "
                "instead, remove table, checkpoint and schema folder"
            )
        case TableRows():
            harm = "every window would be emitted again"
            remedy = "{repair} has this table recomputed from bronze"
        case _:
            assert_never(query.source)
    return Refusal(
        code=Code.CHECKPOINT_LOST,
        condition=Condition.CHECKPOINT_LOST,
        query=query.name,
        evidence=(
            f"checkpoint {query.checkpoint!r} has no micro-batch, but table "
            f"{query.table!r} was written to"
        ),
        harm=harm,
        remedy=remedy,
        context={"checkpoint": query.checkpoint, "table": query.table},
    )


def check_logs(facts: QueryFacts) -> Refusal | None:
    """Spark needs the newest files of both logs, and the query id, to go on."""
    checkpoint = facts.checkpoint
    if checkpoint is None or not (checkpoint.offsets or checkpoint.commits):
        return None
    missing = dict(_missing_logs(checkpoint))
    if not missing:
        return None
    return Refusal(
        code=min(missing.values(), key=_BY_WEIGHT.index),
        condition=Condition.CHECKPOINT_UNREADABLE,
        query=facts.query.name,
        evidence=(
            f"checkpoint {checkpoint.location!r} has micro-batches up to "
            f"{max(*checkpoint.offsets, *checkpoint.commits, -1)}, but lacks "
            f"{list(missing)}"
        ),
        harm=(
            "where the query is to go on, and under which id, is there and nowhere else"
        ),
        remedy="restore these files from a backup, or run {repair}",
        context={"checkpoint": checkpoint.location, "missing": list(missing)},
    )


def check_state(facts: QueryFacts) -> Refusal | None:
    """The open windows of silver are in Spark's state, and nowhere else."""
    checkpoint = facts.checkpoint
    if checkpoint is None or not checkpoint.commits or facts.has_state:
        return None
    return Refusal(
        code=Code.CHECKPOINT_UNREADABLE,
        condition=Condition.CHECKPOINT_UNREADABLE,
        query=facts.query.name,
        evidence=f"checkpoint {checkpoint.location!r} has lost its folder 'state'",
        harm="the open windows are in it and nowhere else",
        remedy=(
            "restore it from a backup of the whole checkpoint, or run {repair}, which "
            "has its table recomputed"
        ),
        context={"checkpoint": checkpoint.location, "missing": ["state"]},
    )


def check_definition(facts: QueryFacts) -> Refusal | None:
    """Windows of two definitions in one table would count rows twice."""
    if not _has_offsets(facts) or not facts.begun_as:
        return None
    changed = compare(facts.begun_as, facts.query.definition)
    if not changed:
        return None
    return Refusal(
        code=Code.DEFINITION_CHANGED,
        condition=Condition.DEFINITION_CHANGED,
        query=facts.query.name,
        evidence=(
            f"silver {facts.query.name!r} began with another definition than the "
            f"pipeline file has: {'; '.join(changed)}"
        ),
        harm="its state and its windows are of the one with which it began",
        remedy=(
            "change the file back, give the new definition a name of its own, or run "
            "{repair}, which has this table computed again from bronze"
        ),
        context={"checkpoint": facts.query.checkpoint, "changed": changed},
    )


def check_newest(facts: QueryFacts) -> Refusal | None:
    """Silver claims no ranges: set back, it reads more under an old batch id."""
    if not _has_offsets(facts) or facts.written <= facts.planned_later:
        return None
    query = facts.query
    return Refusal(
        code=Code.SILVER_REWOUND,
        condition=Condition.CHECKPOINT_REWOUND,
        query=query.name,
        evidence=(
            f"checkpoint {query.checkpoint!r} has planned micro-batches up to "
            f"{facts.planned_later}, and table {query.table!r} has {facts.written}"
        ),
        harm="the windows of the batches that come next would be passed over",
        remedy=(
            "restore a newer backup, or run {repair}, which has this table computed "
            "again from bronze"
        ),
        context={"planned": facts.planned_later, "written": facts.written},
    )


_BY_WEIGHT = [
    Code.METADATA_MISSING,
    Code.CHECKPOINT_AHEAD,
    Code.OFFSETS_MISSING,
    Code.COMMIT_MISSING,
]


def _missing_logs(checkpoint: CheckpointFacts) -> Iterator[tuple[str, Code]]:
    """Yield each file that is not there, and as what it is found."""
    newest = max(checkpoint.offsets, default=-1)
    committed = max(checkpoint.commits, default=0)
    needed = {max(newest, 0), max(newest - 1, 0), committed}
    for batch in sorted(needed - set(checkpoint.offsets)):
        is_ahead = batch > newest
        yield (
            f"offsets/{batch}",
            Code.CHECKPOINT_AHEAD if is_ahead else Code.OFFSETS_MISSING,
        )
    if (
        newest >= 0
        and checkpoint.offsets[newest].adopts
        and newest not in checkpoint.commits
    ):
        # Spark would run it again, and it holds no one micro-batch's files.
        yield f"commits/{newest}", Code.COMMIT_MISSING
    if checkpoint.query_id is None:
        yield "metadata", Code.METADATA_MISSING


def _has_offsets(facts: QueryFacts) -> bool:
    return facts.checkpoint is not None and bool(facts.checkpoint.offsets)


def _is_used(facts: QueryFacts) -> bool:
    """Return True if the table has rows, or batches of this query."""
    has_files = facts.table is not None and facts.table.has_files
    return has_files or facts.newest_transaction is not None
