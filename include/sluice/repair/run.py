"""A repair, in order: find the faults, decide, write that down, take the steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from msgspec.structs import replace

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.checkpoint.parse import ADOPTS
from sluice.checkpoint.pending import (
    Missing,
    PendingRepair,
    begin_pending,
    end_pending,
    mark_done,
    read_pending,
)
from sluice.checkpoint.write import FIRST_BATCH
from sluice.config import PipelineConfig
from sluice.control.hold import hold_lease
from sluice.delta.log import open_table
from sluice.errors import Condition, RetryableError
from sluice.history import archive_history
from sluice.ledger.damage import ledger_root
from sluice.repair.decide import decide_bronze
from sluice.repair.facts import Remains, open_old, read_remains
from sluice.repair.faults import Faults, find_faults
from sluice.repair.steps import list_steps, move_bronze
from sluice.rules.read import read_or_damage


@dataclass(frozen=True, kw_only=True)
class RepairPlan:
    """What a repair will do and why; ``repair`` is None where nothing is wrong.

    ``instead_of`` was begun, but what it was decided on has changed since.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    repair: PendingRepair | None
    instead_of: PendingRepair | None = None


def plan_repair(
    config: PipelineConfig, *, missing: Missing | None = None
) -> RepairPlan:
    """Decide what is replaced, and where the new checkpoints begin; changes nothing.

    A repair that was begun is planned as it was: nothing is decided again. ``missing``
    says what becomes of files whose rows are gone, where that is to be chosen.

    Raises:
        FatalError: rows are gone, and it was not said what becomes of them.
        UsageError: the ledger is rebuilt, and the options of the source are wrong.
    """
    pending = read_pending(config.bronze_checkpoint_location, PendingRepair)
    if pending is not None and not _is_stale(config, pending):
        return _resumed(pending)
    faults = find_faults(config)
    if not faults.any:
        return RepairPlan(faults=(), notes=(), repair=None, instead_of=pending)
    remains = read_remains(config)
    root = ledger_root(config.schema_location)
    # An earlier attempt may have moved the ledger.
    moved = pending.old_ledger if pending else None
    decided = decide_bronze(config, faults, remains, moved or root, missing)
    command = f"sluice checkpoint repair {config.called}"
    repair = PendingRepair(
        command=command if missing is None else f"{command} --{missing}",
        begun_at=datetime.now(UTC),
        query_id=str(uuid4()),
        end=decided.end,
        conf=_pinned(remains.checkpoint),
        silver=tuple(_silver_to_restart(config, faults, reread=decided.rereads)),
        table_version=_version(remains),
        missing=missing,
    )
    if decided.rebuilds:
        repair = replace(repair, old_ledger=moved or root + repair.suffix)
    return RepairPlan(
        faults=(*faults.describe(), *decided.faults),
        notes=(*decided.notes, *_silver_notes(config, repair)),
        repair=repair,
        instead_of=pending,
    )


def carry_out(config: PipelineConfig, plan: RepairPlan) -> list[str]:
    """Take every step of a plan that is not done yet, and return their names.

    May be killed anywhere: until a repair is called again no run begins, and then it
    goes on.

    Raises:
        RetryableError: a query of the pipeline is running, or another repair was begun.
        FatalError: the table has changed while it was repaired.
    """
    repair = plan.repair
    if repair is None:
        _forget(config, plan.instead_of)
        return []
    with ExitStack() as leases:
        for query in config.queries:
            leases.enter_context(
                hold_lease(query.checkpoint, query=query.name, run_id=repair.query_id)
            )
        location = config.bronze_checkpoint_location
        _begin(location, repair, plan.instead_of)
        taken = []
        for name, take in list_steps(config, repair):
            if name not in repair.done:
                take()
                repair = mark_done(location, repair, name)
                taken.append(name)
        end_pending(location, PendingRepair)
    archive_history(config)
    return taken


def _forget(config: PipelineConfig, pending: PendingRepair | None) -> None:
    """Let runs begin again after a repair that is no longer needed."""
    location = config.bronze_checkpoint_location
    if pending is not None and read_pending(location, PendingRepair) == pending:
        end_pending(location, PendingRepair)


def _begin(
    location: str, repair: PendingRepair, instead_of: PendingRepair | None
) -> None:
    begun = begin_pending(location, repair, instead_of=instead_of)
    if not begun and read_pending(location, PendingRepair) != repair:
        raise RetryableError(
            Condition.REPAIR_UNFINISHED,
            f"checkpoint {location!r}: another repair was begun meanwhile; run "
            f"'{repair.command}' again, it finishes that one",
            {"command": repair.command},
        )


def _is_stale(config: PipelineConfig, pending: PendingRepair) -> bool:
    """Return True if table, ledger or checkpoint are not what was decided on.

    What was restored or lost since the repair was cut off is then looked at again.
    """
    table = open_table(config.bronze_location)
    version = -1 if table is None else table.version()
    newest = table.transaction_version(pending.query_id) if table else None
    added = newest is not None
    if version != pending.table_version + added:
        return True
    root = ledger_root(config.schema_location)
    if pending.end is not None and not pending.old_ledger and open_old(root) is None:
        return True
    if pending.end is None or move_bronze(config, pending)[0] not in pending.done:
        return False
    checkpoint, _ = read_or_damage(config.bronze_checkpoint_location)
    if checkpoint is None:
        return False
    return checkpoint.query_id not in {None, pending.query_id} or any(
        batch != FIRST_BATCH for batch in checkpoint.offsets
    )


def _silver_to_restart(
    config: PipelineConfig, faults: Faults, *, reread: bool
) -> Iterator[str]:
    """Yield the silver tables that are to be recomputed.

    A stream over bronze would read rows that are appended again a second time.
    """
    for silver in config.streamed:
        if faults.silver.get(silver.name):
            yield silver.name
        elif reread:
            checkpoint = read_checkpoint(config.silver_checkpoint_location(silver))
            if checkpoint is not None and checkpoint.last_planned is not None:
                yield silver.name


def _pinned(checkpoint: CheckpointFacts | None) -> dict[str, str]:
    """Return the settings that Spark pinned at the query's first start."""
    if checkpoint is None or not checkpoint.offsets:
        return {}
    conf = dict(checkpoint.offsets[max(checkpoint.offsets)].conf)
    conf.pop(ADOPTS, None)
    return conf


def _silver_notes(config: PipelineConfig, repair: PendingRepair) -> Iterator[str]:
    for silver in config.streamed:
        if silver.name in repair.silver:
            yield (
                f"silver table {silver.name!r} is emptied, and recomputed from all "
                "rows that bronze has by its next run: windows whose rows bronze no "
                "longer has are then gone (RESTORE brings them back)"
            )


def _resumed(pending: PendingRepair) -> RepairPlan:
    fault = f"a repair was begun at {pending.begun_at.isoformat()} and is not over"
    return RepairPlan(faults=(fault,), notes=(), repair=pending)


def _version(remains: Remains) -> int:
    return -1 if remains.table is None else remains.table.version()
