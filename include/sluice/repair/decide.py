"""Where bronze goes on: after what its ledger and its table agree on, or a new ledger.

The ledger is kept wherever it can number on. It is rebuilt where it is what is broken,
and where rows are gone in the middle and are to be read again: a seq is read once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sluice import storage
from sluice.checkpoint.pending import Missing
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError
from sluice.repair.facts import (
    Remains,
    find_ledger_damage,
    held_ranges,
    open_old,
    require_ledger,
)
from sluice.repair.faults import Faults
from sluice.repair.plan import (
    Adoption,
    HeldFile,
    describe,
    plan_adoption,
    require_whole,
)
from sluice.repair.rebuild import Rebuilt, rebuild_ledger, require_chosen

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of bronze; nothing where ``end`` is None.

    ``end`` is the seq that the new checkpoint begins after. With ``rebuilds`` the
    ledger is made new, and ``end`` is the new one's. ``rereads`` says that rows come
    again which silver may have read.
    """

    end: int | None = None
    rebuilds: bool = False
    rereads: bool = False
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def decide_bronze(
    config: PipelineConfig,
    faults: Faults,
    remains: Remains,
    old_ledger: str,
    missing: Missing | None,
) -> Decision:
    """Decide what becomes of bronze; ``old_ledger`` is where its ledger is now.

    Raises:
        FatalError: rows are gone, and ``missing`` does not say what becomes of them.
        UsageError: the ledger is rebuilt, and the options of the source are wrong.
    """
    if not faults.bronze and not faults.ledger:
        return Decision()
    if faults.ledger:
        return _rebuild(config, remains, old_ledger, missing)
    damage = find_ledger_damage(config, remains.rows)
    if damage is not None:
        return _rebuild(config, remains, old_ledger, missing, faults=(damage,))
    ranges = held_ranges(config, remains, require_ledger(config))
    adoption = plan_adoption(ranges, missing)
    wrong = [*adoption.gone, *adoption.partial]
    if wrong and missing == "reread":
        again = [*adoption.gone, *adoption.reread]
        return _rebuild(config, remains, old_ledger, missing, again=again)
    require_whole(adoption, config.called, missing)
    _require_landed(config, adoption.reread)
    return Decision(
        end=adoption.end,
        rereads=bool(adoption.reread),
        notes=tuple(_adoption_notes(adoption, remains)),
    )


def _rebuild(  # noqa: PLR0913 - what is known by then
    config: PipelineConfig,
    remains: Remains,
    old_ledger: str,
    missing: Missing | None,
    *,
    faults: tuple[str, ...] = (),
    again: Sequence[HeldFile] = (),
) -> Decision:
    old = open_old(old_ledger)
    rebuilt = rebuild_ledger(config, remains.rows, old, missing)
    require_chosen(rebuilt, config.called, missing)
    rereads = missing == "reread" and bool(rebuilt.gone or again)
    return Decision(
        end=len(rebuilt.files),
        rebuilds=True,
        rereads=rereads,
        faults=faults,
        notes=tuple(_rebuilt_notes(config, rebuilt, rereads=rereads)),
    )


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


def _adoption_notes(adoption: Adoption, remains: Remains) -> Iterator[str]:
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
        yield f"{nameless} rows name no file and were written by another program"


def _rebuilt_notes(
    config: PipelineConfig, rebuilt: Rebuilt, *, rereads: bool
) -> Iterator[str]:
    yield f"the new ledger begins with {len(rebuilt.files)} files"
    if rebuilt.gone:
        done = "read again" if rereads else "left out for good"
        yield f"{len(rebuilt.gone)} files without rows are {done}"
    if rebuilt.unseen:
        yield f"{rebuilt.unseen} files are no longer where they landed"
    if rebuilt.partial:
        yield (
            f"{len(rebuilt.partial)} files have another number of rows than when they "
            f"were read: {', '.join(rebuilt.partial[:_SHOWN])}; if that is not wanted, "
            f"'sluice replay {config.called} --files …' reads them again"
        )
