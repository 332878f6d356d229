"""Do checkpoint, ledger and table belong together: the cheap part of the audit.

Delta's sink skips any batch id at or below the last one it saw of a query, whatever the
batch holds. So what does not fit must be refused before anything is read, and every
refusal names the command that mends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sluice import storage
from sluice.checkpoint import (
    CheckpointFacts,
    DeltaOffset,
    LedgerOffset,
    read_checkpoint,
)
from sluice.checkpoint.pending import PendingDeletion, PendingRepair, read_pending
from sluice.config import PipelineConfig, SilverConfig
from sluice.delta.log import latest_transaction, open_table
from sluice.errors import Condition, FatalError
from sluice.history.queries import Query, list_queries
from sluice.history.taken_back import find_taken_back
from sluice.ledger.ledger import Ledger
from sluice.versions import is_too_new

if TYPE_CHECKING:
    from deltalake import DeltaTable


def read_own_checkpoint(
    config: PipelineConfig, location: str
) -> CheckpointFacts | None:
    """Read a checkpoint of the pipeline, None where no query has left one.

    Raises:
        FatalError: a file of it is damaged, and the message names the command that
            mends it, or a newer release wrote it.
    """
    try:
        return read_checkpoint(location)
    except FatalError as error:
        if is_too_new(error):
            raise
        message = f"{error.message}; without one, run '{_repair(config)}'"
        raise FatalError(error.condition, message, error.context) from error


def require_consistent(
    config: PipelineConfig, checkpoint: CheckpointFacts | None, ledger: Ledger | None
) -> None:
    """Refuse to begin where bronze does not fit together, is repaired or deleted.

    Raises:
        FatalError: what does not fit, and the command that mends it.
    """
    require_nothing_begun(config)
    require_bronze_consistent(config, checkpoint, ledger)


def require_bronze_consistent(
    config: PipelineConfig, checkpoint: CheckpointFacts | None, ledger: Ledger | None
) -> None:
    """Refuse a bronze checkpoint that does not belong to its ledger or its table.

    Raises:
        FatalError: what does not fit, and the command that mends it.
    """
    if checkpoint is None or not checkpoint.offsets:
        _require_unread(config, checkpoint)
        return
    bronze = list_queries(config)[0]
    query_id = _require_logs(config, checkpoint)
    ledger = _require_ledger(checkpoint, ledger, config)
    written = _require_table(config, bronze, checkpoint)
    _require_claims(config, checkpoint, ledger, written)
    _require_not_taken_back(config, bronze, query_id)


def require_silver_consistent(config: PipelineConfig, silver: SilverConfig) -> None:
    """Refuse a silver checkpoint that does not belong to its table or to bronze.

    Raises:
        FatalError: what does not fit, and the command that mends it.
    """
    location = config.silver_checkpoint_location(silver)
    query = Query(silver.name, location, config.silver_location(silver))
    checkpoint = read_own_checkpoint(config, location)
    if checkpoint is None or not checkpoint.offsets:
        _require_empty(config, query, checkpoint)
        return
    query_id = _require_logs(config, checkpoint)
    _require_state(config, checkpoint)
    written = _require_table(config, query, checkpoint)
    if written > max(checkpoint.offsets):
        _require_newest(config, query, written)
    _require_not_taken_back(config, query, query_id)
    # The table is opened after the checkpoint was read: it has what silver has read.
    bronze = open_table(config.bronze_location)
    evidence = find_other_bronze(checkpoint, bronze)
    if evidence is not None:
        raise _reads_other_bronze(config, query, evidence)


def find_other_bronze(
    checkpoint: CheckpointFacts, bronze: DeltaTable | None
) -> str | None:
    """Return how bronze is not what silver's stream has read, None where it is.

    Delta's offset names the table and the version to read next. A table that was set
    back and has grown again would be passed over up to there, without a word.
    """
    read = checkpoint.offsets[max(checkpoint.offsets)].end
    if bronze is None:
        return "is gone, and was read"
    if not isinstance(read, DeltaOffset):
        return None
    if read.table_id not in {None, str(bronze.metadata().id)}:
        return f"is another table, with id {bronze.metadata().id}, than was read"
    if read.version > bronze.version() + 1:
        return (
            f"is at version {bronze.version()}, and was read up to {read.version - 1}"
        )
    return None


def require_nothing_begun(config: PipelineConfig) -> None:
    """Refuse to begin while a repair or the deletion of the pipeline is not over.

    Raises:
        FatalError: one was begun; the message names the command that finishes it.
    """
    location = config.bronze_checkpoint_location
    for begun in (
        read_pending(location, PendingDeletion),
        read_pending(location, PendingRepair),
    ):
        if begun is not None:
            raise FatalError(
                begun.condition,
                f"pipeline {config.name!r}: {begun.called} was begun at "
                f"{begun.begun_at.isoformat()} and is not over, {begun.so_far}: run "
                f"'{begun.command}' again, it goes on from there",
                {"command": begun.command},
            )


def newest_offset(checkpoint: CheckpointFacts, config: PipelineConfig) -> LedgerOffset:
    """Return the newest offset of the ledger that a checkpoint planned.

    Raises:
        FatalError: the checkpoint is of a query over something else.
    """
    entry = checkpoint.offsets[max(checkpoint.offsets)]
    found = entry.end
    if not isinstance(found, LedgerOffset):
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {checkpoint.location!r} is not of a cloudFiles query: its "
            f"newest offset is {entry.offsets[0]!r}; name another checkpoint location "
            f"as 'bronze.checkpoint' of pipeline {config.name!r}",
            {"checkpoint": checkpoint.location},
        )
    return found


def last_committed(checkpoint: CheckpointFacts | None) -> int:
    """Return the newest batch of the commit log, -1 before the first."""
    if checkpoint is None or checkpoint.last_committed is None:
        return -1
    return checkpoint.last_committed


def _require_unread(config: PipelineConfig, checkpoint: CheckpointFacts | None) -> None:
    """Without a checkpoint all files are read again: right only for an unused table."""
    bronze = list_queries(config)[0]
    if not _is_used_without_logs(bronze, checkpoint):
        return
    raise FatalError(
        Condition.CHECKPOINT_LOST,
        f"checkpoint {bronze.checkpoint!r} has no micro-batch, but table "
        f"{bronze.table!r} was written to: reading from the start would double or lose "
        f"rows; '{_repair(config)}' goes on after the files that the table holds; to "
        "start over instead, remove table, checkpoint and schema folder",
        {"checkpoint": bronze.checkpoint, "table": bronze.table},
    )


def _require_empty(
    config: PipelineConfig, silver: Query, checkpoint: CheckpointFacts | None
) -> None:
    if not _is_used_without_logs(silver, checkpoint):
        return
    raise FatalError(
        Condition.CHECKPOINT_LOST,
        f"checkpoint {silver.checkpoint!r} has no micro-batch, but table "
        f"{silver.table!r} was written to: every window would be emitted again; "
        f"'{_repair(config)}' has this table computed anew from bronze",
        {"checkpoint": silver.checkpoint, "table": silver.table},
    )


def _is_used_without_logs(query: Query, checkpoint: CheckpointFacts | None) -> bool:
    """Tell whether the table has rows, or batches of this query, and the logs none."""
    table = open_table(query.table)
    query_id = checkpoint.query_id if checkpoint else None
    if table is None:
        return False
    has_batches = query_id and table.transaction_version(query_id) is not None
    if not table.file_uris() and not has_batches:
        return False
    began = read_checkpoint(query.checkpoint)
    # Another driver may have made both since, the offsets before the rows.
    return began is None or not began.offsets


def _require_logs(config: PipelineConfig, checkpoint: CheckpointFacts) -> str:
    """Return the query id; whatever Spark needs to go on must be there."""
    newest = max(checkpoint.offsets)
    needed = {newest, max(newest - 1, 0), max(last_committed(checkpoint), 0)}
    missing = [f"offsets/{each}" for each in sorted(needed - set(checkpoint.offsets))]
    if checkpoint.offsets[newest].adopts and newest not in checkpoint.commits:
        # Spark would run it again, and it holds no one micro-batch's files.
        missing.append(f"commits/{newest}")
    if checkpoint.query_id is None:
        missing.append("metadata")
    if checkpoint.query_id is None or missing:
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {checkpoint.location!r} has micro-batches up to {newest}, but "
            f"lacks {missing}: where the query is to go on, and under which id, is "
            "there and nowhere else; restore these files from a backup, or run "
            f"'{_repair(config)}'",
            {"checkpoint": checkpoint.location, "missing": missing},
        )
    return checkpoint.query_id


def _require_state(config: PipelineConfig, checkpoint: CheckpointFacts) -> None:
    """Silver's open windows are in Spark's state, and nowhere else."""
    if checkpoint.commits and not storage.has_keys(checkpoint.location, "state"):
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {checkpoint.location!r} has lost its folder 'state', in which "
            "the open windows are; restore it from a backup of the whole checkpoint, "
            f"or run '{_repair(config)}', which has its table computed anew",
            {"checkpoint": checkpoint.location, "missing": ["state"]},
        )


def _require_ledger(
    checkpoint: CheckpointFacts, ledger: Ledger | None, config: PipelineConfig
) -> Ledger:
    newest = newest_offset(checkpoint, config)
    if ledger is None or newest.ledger_id != ledger.ledger_id:
        expected, found = newest.ledger_id, ledger.ledger_id if ledger else None
        raise FatalError(
            Condition.LEDGER_MISMATCH,
            f"checkpoint {checkpoint.location!r} was written with ledger {expected}, "
            f"and under {config.schema_location!r} is {found or 'none'}: going on "
            "would pass over new files or read old ones again; restore the ledger from "
            f"backup, or run '{_repair(config)}'",
            {"expected": expected, "found": found},
        )
    planned, claimed = newest.seq, ledger.claimed_up_to()
    discovered = ledger.high_seq()
    if not planned <= claimed <= discovered:
        raise _ledger_rewound(
            config,
            f"has {discovered} files and claims up to seq {claimed}, but checkpoint "
            f"{checkpoint.location!r} has planned up to seq {planned}",
            {"planned": planned, "claimed": claimed, "discovered": discovered},
        )
    return ledger


def _require_table(
    config: PipelineConfig, query: Query, checkpoint: CheckpointFacts
) -> int:
    """Return the newest batch of this query that the table has, -1 before the first."""
    # Spark plans a batch once the one before is in the table, and repeats only the
    # newest: files that the commit log has lost since do not bring others back.
    done = max(last_committed(checkpoint), max(checkpoint.offsets) - 1)
    written = latest_transaction(query.table, str(checkpoint.query_id))
    if done > (-1 if written is None else written):
        raise FatalError(
            Condition.TABLE_REWOUND,
            f"table {query.table!r} has micro-batches up to {written} of "
            f"query {checkpoint.query_id}, but its checkpoint "
            f"{checkpoint.location!r} finished {done}: rows of the batches "
            "between are missing and would stay so; restore the table, or run "
            f"'{_repair(config)}'",
            {"written": written, "committed": done},
        )
    return -1 if written is None else written


def _require_claims(
    config: PipelineConfig, checkpoint: CheckpointFacts, ledger: Ledger, written: int
) -> None:
    """A checkpoint that was set back must find the claims of the batches ahead of it.

    Each batch has one claim. Without it the batch would be planned anew, with other
    files, and Delta would skip it.
    """
    ahead = written - max(checkpoint.offsets)
    if ahead <= 0:
        return
    planned = newest_offset(checkpoint, config).seq
    claimed = sum(claim.range.start >= planned for claim in ledger.claims())
    if claimed < ahead:
        raise _ledger_rewound(
            config,
            f"has claims of {claimed} micro-batches after seq {planned}, but the table "
            f"has {ahead} that checkpoint {checkpoint.location!r} does not know",
            {"ahead": ahead, "claimed": claimed},
        )


def _require_newest(config: PipelineConfig, silver: Query, written: int) -> None:
    """Silver claims no ranges: set back, it reads more under an old batch id.

    The checkpoint is read once more: its query may have gone on meanwhile.
    """
    checkpoint = read_checkpoint(silver.checkpoint)
    planned = max(checkpoint.offsets, default=-1) if checkpoint else -1
    if written > planned:
        raise FatalError(
            Condition.CHECKPOINT_REWOUND,
            f"checkpoint {silver.checkpoint!r} has planned micro-batches up to "
            f"{planned}, and table {silver.table!r} has {written}: the windows of the "
            "batches that come next would be passed over; restore a newer backup, or "
            f"run '{_repair(config)}', which has this table computed anew from bronze",
            {"planned": planned, "written": written},
        )


def _require_not_taken_back(
    config: PipelineConfig, query: Query, query_id: str
) -> None:
    evidence = find_taken_back(config, query, query_id)
    if evidence is not None:
        raise FatalError(
            Condition.TABLE_REWOUND,
            f"table {query.table!r} no longer holds what query {query_id} wrote: "
            f"{evidence}, and these rows would never come again; '{_repair(config)}' "
            "has their files read again (or leaves them out, with --skip)",
            {"table": query.table, "evidence": evidence},
        )


def _reads_other_bronze(
    config: PipelineConfig, silver: Query, evidence: str
) -> FatalError:
    return FatalError(
        Condition.TABLE_REWOUND,
        f"table {config.bronze_location!r} {evidence} by silver's checkpoint "
        f"{silver.checkpoint!r}: rows that come again would be missing from "
        f"{silver.table!r}, or be there twice; restore bronze and silver from one "
        f"backup, or run '{_repair(config)}', which has silver computed anew",
        {"table": config.bronze_location, "evidence": evidence},
    )


def _ledger_rewound(
    config: PipelineConfig, evidence: str, context: Mapping[str, object]
) -> FatalError:
    return FatalError(
        Condition.LEDGER_REWOUND,
        f"ledger of {config.schema_location!r} {evidence}: it is older than what was "
        "read, would number files anew, and some would be lost and some doubled; "
        "restore a newer backup of it, or checkpoint, ledger and table from one, or "
        f"run '{_repair(config)}'",
        context,
    )


def _repair(config: PipelineConfig) -> str:
    return f"sluice checkpoint repair {config.called}"
