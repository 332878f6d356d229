"""A repair, in order: find the faults, decide, write that down, take the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from msgspec.structs import replace

from sluice import storage
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
from sluice.consistency import find_other_bronze
from sluice.control.hold import hold_lease
from sluice.deltalog import open_table
from sluice.errors import Condition, FatalError, RetryableError
from sluice.history import archive_history
from sluice.history.queries import list_queries
from sluice.paths import join
from sluice.repair.facts import (
    Remains,
    held_ranges,
    read_if_whole,
    read_remains,
    why_unusable,
)
from sluice.repair.faults import Faults, find_faults
from sluice.repair.plan import (
    Adoption,
    HeldFile,
    describe,
    plan_adoption,
    require_whole,
)
from sluice.repair.rebuild import open_old, rebuild_ledger, require_chosen
from sluice.repair.steps import list_steps, move_bronze

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class RepairPlan:
    """What a repair will do and why; ``repair`` is None where nothing is wrong.

    ``instead_of`` was begun, but what it was decided on has changed since.
    """

    faults: tuple[str, ...]
    notes: tuple[str, ...]
    repair: PendingRepair | None
    instead_of: PendingRepair | None = None


def plan_checkpoint_repair(
    config: PipelineConfig, *, missing: Missing | None = None
) -> RepairPlan:
    """Decide how new checkpoints can go on from what the tables hold; changes nothing.

    A repair that was begun is planned as it was: nothing is decided again.

    Raises:
        FatalError: the ledger is wrong too, or the table has parts of micro-batches.
    """
    pending = read_pending(config.bronze_checkpoint_location, PendingRepair)
    if pending is not None and not _is_stale(config, pending):
        return _resumed(pending)
    faults = find_faults(config)
    if faults.ledger:
        raise _needs_rebuild(config, faults.ledger[0])
    if not faults.any:
        return RepairPlan(faults=(), notes=(), repair=None, instead_of=pending)
    remains = read_remains(config)
    adoption = _plan_bronze(config, remains, missing) if faults.bronze else None
    reread = [file.path for file in adoption.reread] if adoption else []
    command = f"sluice checkpoint repair {config.called}"
    repair = PendingRepair(
        command=command if missing is None else f"{command} --{missing}",
        begun_at=datetime.now(UTC),
        query_id=str(uuid4()),
        end=adoption.end if adoption else None,
        conf=_pinned(remains.checkpoint),
        silver=tuple(_silver_to_restart(config, faults, remains, reread=bool(reread))),
        table_version=_version(remains),
        missing=missing,
    )
    return RepairPlan(
        faults=tuple(faults.told()),
        notes=(*_bronze_notes(adoption, remains), *_silver_notes(config, repair)),
        repair=repair,
        instead_of=pending,
    )


def plan_ledger_rebuild(
    config: PipelineConfig, *, missing: Missing | None = None
) -> RepairPlan:
    """Decide what a new ledger holds, and the checkpoint after it; changes nothing.

    Raises:
        FatalError: rows are gone, and it was not said what becomes of them.
        UsageError: the landing folder or the options of the source are wrong.
    """
    pending = read_pending(config.bronze_checkpoint_location, PendingRepair)
    if pending is not None and not _is_stale(config, pending):
        return _resumed(pending)
    faults = find_faults(config)
    if not faults.ledger and not faults.bronze:
        return RepairPlan(faults=tuple(faults.told()), notes=(), repair=None)
    remains = read_remains(config)
    root = join(config.schema_location, "_ledger")
    kept = pending.old_ledger if pending else None
    old = open_old(kept or root)
    rebuilt = rebuild_ledger(config, remains.rows, old, missing)
    require_chosen(rebuilt, config.name, missing)
    reread = missing == "reread" and bool(rebuilt.gone)
    command = f"sluice ledger rebuild {config.called}"
    repair = PendingRepair(
        command=command if missing is None else f"{command} --{missing}",
        begun_at=datetime.now(UTC),
        query_id=str(uuid4()),
        end=len(rebuilt.files),
        conf=_pinned(remains.checkpoint),
        silver=tuple(_silver_to_restart(config, faults, remains, reread=reread)),
        table_version=_version(remains),
        missing=missing,
    )
    # Where an earlier attempt has moved it, it is by now.
    repair = replace(repair, old_ledger=kept or root + repair.suffix)
    notes = [f"the new ledger begins with {len(rebuilt.files)} files"]
    if rebuilt.gone:
        done = "read again" if reread else "left out for good"
        notes.append(f"{len(rebuilt.gone)} files without rows are {done}")
    if rebuilt.unseen:
        notes.append(f"{rebuilt.unseen} files are no longer where they landed")
    if rebuilt.partial:
        notes.append(
            f"{len(rebuilt.partial)} files have another number of rows than when they "
            f"were read: {', '.join(rebuilt.partial[:_SHOWN])}; if that is not wanted, "
            f"'sluice replay {config.called} --files …' reads them again"
        )
    notes += _silver_notes(config, repair)
    return RepairPlan(
        faults=tuple(faults.told()),
        notes=tuple(notes),
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
        for query in list_queries(config):
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
    """Let runs begin again after a repair that somebody else has made needless."""
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
    """Tell whether the table or the checkpoint are no longer what was decided on.

    What somebody restored since the repair was cut off is then looked at anew.
    """
    table = open_table(config.bronze_location)
    version = -1 if table is None else table.version()
    newest = table.transaction_version(pending.query_id) if table else None
    added = newest is not None
    if version != pending.table_version + added:
        return True
    if pending.end is None or move_bronze(config, pending)[0] not in pending.done:
        return False
    checkpoint = read_if_whole(config.bronze_checkpoint_location)
    if checkpoint is None:
        return False
    return checkpoint.query_id not in {None, pending.query_id} or any(
        batch != FIRST_BATCH for batch in checkpoint.offsets
    )


def _plan_bronze(
    config: PipelineConfig, remains: Remains, missing: Missing | None
) -> Adoption:
    ledger = remains.ledger
    reason = _ledger_fault(remains)
    if ledger is None or reason is not None:
        raise _needs_rebuild(config, str(reason))
    adoption = plan_adoption(held_ranges(config, remains, ledger), missing)
    require_whole(adoption, config.called, missing)
    _require_landed(config, adoption.reread)
    return adoption


def _require_landed(config: PipelineConfig, reread: Sequence[HeldFile]) -> None:
    absent = [file for file in reread if storage.status(file.path) is None]
    if absent:
        raise FatalError(
            Condition.REPAIR_IMPOSSIBLE,
            f"pipeline {config.name!r}: the rows of {len(absent)} files are gone from "
            f"the table, and so are the files: {describe(absent)}; RESTORE the table "
            "to a version that has them, put the files back, or run the command with "
            "--skip to leave out all rows that are gone",
            {"paths": [file.path for file in absent]},
        )


def _silver_to_restart(
    config: PipelineConfig, faults: Faults, remains: Remains, *, reread: bool
) -> Iterator[str]:
    """Yield the silver tables that are to be computed anew.

    A stream over bronze would read rows that are appended again a second time, and one
    over a table that is another now does not know where it is.
    """
    for silver in config.silver:
        if faults.silver.get(silver.name):
            yield silver.name
            continue
        checkpoint = read_checkpoint(config.silver_checkpoint_location(silver))
        if checkpoint is None or checkpoint.last_planned is None:
            continue
        if reread or find_other_bronze(checkpoint, remains.table):
            yield silver.name


def _pinned(checkpoint: CheckpointFacts | None) -> dict[str, str]:
    """Return the settings that Spark pinned at the query's first start."""
    if checkpoint is None or not checkpoint.offsets:
        return {}
    conf = dict(checkpoint.offsets[max(checkpoint.offsets)].conf)
    conf.pop(ADOPTS, None)
    return conf


def _bronze_notes(adoption: Adoption | None, remains: Remains) -> Iterator[str]:
    if adoption is None:
        return
    yield (
        f"the table holds the files up to seq {adoption.end}: the new query goes on "
        "after them"
    )
    if adoption.reread:
        yield (
            f"{len(adoption.reread)} files whose rows are gone are read again: "
            f"{describe(adoption.reread)}"
        )
    wrong = [*adoption.gone, *adoption.partial]
    if wrong:
        yield f"{len(wrong)} files stay as they are: {describe(wrong)}"
    nameless = remains.rows.get(None, 0)
    if nameless:
        yield f"{nameless} rows name no file and were written by somebody else"


def _silver_notes(config: PipelineConfig, repair: PendingRepair) -> Iterator[str]:
    for silver in config.silver:
        if silver.name in repair.silver:
            yield (
                f"silver table {silver.name!r} is emptied, and computed anew from all "
                "rows that bronze has by its next run: windows whose rows bronze no "
                "longer has are then gone (RESTORE brings them back)"
            )


def _resumed(pending: PendingRepair) -> RepairPlan:
    told = f"a repair was begun at {pending.begun_at.isoformat()} and is not over"
    return RepairPlan(faults=(told,), notes=(), repair=pending)


def _version(remains: Remains) -> int:
    return -1 if remains.table is None else remains.table.version()


def _ledger_fault(remains: Remains) -> str | None:
    if remains.ledger is None:
        return "there is none"
    return why_unusable(remains.ledger, remains.rows)


def _needs_rebuild(config: PipelineConfig, reason: str) -> FatalError:
    return FatalError(
        Condition.REPAIR_IMPOSSIBLE,
        f"pipeline {config.name!r}: its ledger cannot be relied on: {reason}; run "
        f"'sluice ledger rebuild {config.called}', which repairs the checkpoint too",
        {"pipeline": config.name},
    )
