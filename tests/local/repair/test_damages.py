"""Each damage is refused before a run, found by the audit, and mended by one command.

Spark is played by ``PipelineBuilder.go_on``; the real one goes on from repairs in
tests/spark/test_repair.py.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sluice.audit.gather import gather_facts
from sluice.checkpoint.pending import PendingRepair
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.history import archive_history
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from sluice.rules.checks import check_facts
from support.builders import PipelineBuilder, pipeline_config, window
from support.damages import (
    Damage,
    cut_bronze_log,
    empty_table,
    lose_checkpoint,
    lose_claims,
    lose_claims_and_checkpoint,
    lose_files_table,
    lose_ledger,
    lose_ledger_and_checkpoint,
    lose_ledger_data,
    lose_metadata,
    lose_offsets,
    lose_silver_checkpoint,
    lose_silver_state,
    lose_silver_table,
    lose_table,
    put_older_table_back,
    replace_bronze,
    replace_ledger,
    restore,
    restore_and_lose_checkpoint,
    restore_silver,
    set_ledger_and_checkpoint_back,
    set_ledger_back,
    set_silver_back,
    tear_ledger_log,
    tear_offsets,
    tear_offsets_and_ledger,
    tear_silver_commit,
)
from support.delta_rows import read_delta
from support.kept import Kept


class Case(NamedTuple):
    """A damage, how a run is refused, what an audit finds, what a repair replaces.

    ``archived`` is found besides where the archive knows what was there before.
    """

    damage: Damage
    refusal: Condition
    codes: tuple[str, ...]
    mended: str
    archived: tuple[str, ...] = ()


CASES = {
    "table restored": Case(
        restore(1), Condition.TABLE_REWOUND, ("TABLE_REWOUND",), "checkpoint silver"
    ),
    "table restored to its first rows": Case(
        restore(0), Condition.TABLE_REWOUND, ("TABLE_REWOUND",), "checkpoint silver"
    ),
    "table emptied": Case(
        empty_table, Condition.TABLE_REWOUND, ("TABLE_REWOUND",), "checkpoint silver"
    ),
    "table lost": Case(
        lose_table,
        Condition.TABLE_REWOUND,
        ("TRANSACTION_MISSING",),
        "checkpoint silver",
    ),
    "table older": Case(
        put_older_table_back,
        Condition.TABLE_REWOUND,
        ("TRANSACTION_MISSING",),
        "checkpoint silver",
    ),
    "checkpoint lost": Case(
        lose_checkpoint, Condition.CHECKPOINT_LOST, ("CHECKPOINT_LOST",), "checkpoint"
    ),
    "table restored, checkpoint lost": Case(
        restore_and_lose_checkpoint,
        Condition.CHECKPOINT_LOST,
        ("CHECKPOINT_LOST",),
        "checkpoint silver",
    ),
    "offsets torn": Case(
        tear_offsets,
        Condition.CHECKPOINT_UNREADABLE,
        ("CHECKPOINT_UNREADABLE",),
        "checkpoint",
    ),
    "metadata lost": Case(
        lose_metadata,
        Condition.CHECKPOINT_UNREADABLE,
        ("METADATA_MISSING",),
        "checkpoint",
    ),
    "offsets lost": Case(
        lose_offsets,
        Condition.CHECKPOINT_UNREADABLE,
        ("OFFSETS_MISSING",),
        "checkpoint",
    ),
    "ledger lost": Case(
        lose_ledger, Condition.LEDGER_MISMATCH, ("LEDGER_LOST",), "checkpoint ledger"
    ),
    "ledger and checkpoint lost": Case(
        lose_ledger_and_checkpoint,
        Condition.CHECKPOINT_LOST,
        ("CHECKPOINT_LOST",),
        "checkpoint ledger",
    ),
    "ledger replaced": Case(
        replace_ledger,
        Condition.LEDGER_MISMATCH,
        ("LEDGER_MISMATCH",),
        "checkpoint ledger",
    ),
    "claims lost": Case(
        lose_claims, Condition.LEDGER_REWOUND, ("CLAIMS_LOST",), "checkpoint ledger"
    ),
    "claims and checkpoint lost": Case(
        lose_claims_and_checkpoint,
        Condition.CHECKPOINT_LOST,
        ("CHECKPOINT_LOST",),
        "checkpoint ledger",
    ),
    "files lost": Case(
        lose_files_table,
        Condition.LEDGER_MISMATCH,
        ("LEDGER_LOST",),
        "checkpoint ledger",
    ),
    "a data file of the ledger lost": Case(
        lose_ledger_data,
        Condition.LEDGER_UNREADABLE,
        ("LEDGER_UNREADABLE",),
        "checkpoint ledger",
    ),
    "log of files torn": Case(
        tear_ledger_log("files"),
        Condition.LEDGER_UNREADABLE,
        ("LEDGER_UNREADABLE",),
        "checkpoint ledger",
    ),
    "log of claims torn": Case(
        tear_ledger_log("claims"),
        Condition.LEDGER_UNREADABLE,
        ("LEDGER_UNREADABLE",),
        "checkpoint ledger",
    ),
    "offsets and claims torn": Case(
        tear_offsets_and_ledger,
        Condition.CHECKPOINT_UNREADABLE,
        ("CHECKPOINT_UNREADABLE",),
        "checkpoint ledger",
    ),
    "ledger older": Case(
        set_ledger_back,
        Condition.LEDGER_REWOUND,
        ("LEDGER_BEHIND",),
        "checkpoint ledger",
    ),
    "ledger and checkpoint older": Case(
        set_ledger_and_checkpoint_back,
        Condition.LEDGER_REWOUND,
        ("LEDGER_BEHIND",),
        "checkpoint ledger",
    ),
    "silver's checkpoint lost": Case(
        lose_silver_checkpoint,
        Condition.CHECKPOINT_LOST,
        ("CHECKPOINT_LOST",),
        "silver",
    ),
    "silver's commit torn": Case(
        tear_silver_commit,
        Condition.CHECKPOINT_UNREADABLE,
        ("CHECKPOINT_UNREADABLE",),
        "silver",
    ),
    "silver's checkpoint older": Case(
        set_silver_back,
        Condition.CHECKPOINT_REWOUND,
        ("SILVER_REWOUND",),
        "silver",
    ),
    "silver's state lost": Case(
        lose_silver_state,
        Condition.CHECKPOINT_UNREADABLE,
        ("CHECKPOINT_UNREADABLE",),
        "silver",
    ),
    "silver's table lost": Case(
        lose_silver_table,
        Condition.TABLE_REWOUND,
        ("TRANSACTION_MISSING",),
        "silver",
    ),
    "silver's table restored": Case(
        restore_silver, Condition.TABLE_REWOUND, ("TABLE_REWOUND",), "silver"
    ),
    "bronze's log cut before silver": Case(
        cut_bronze_log, Condition.SOURCE_EXPIRED, ("SOURCE_EXPIRED",), "silver"
    ),
    "another bronze under silver": Case(
        replace_bronze,
        Condition.TABLE_REWOUND,
        ("TABLE_REWOUND",),
        "silver",
        archived=("OFFSETS_CHANGED",),
    ),
}


def mended(repair: PendingRepair) -> list[str]:
    """Return what a repair replaces."""
    replaced = {
        "checkpoint": repair.end is not None,
        "ledger": repair.old_ledger is not None,
        "silver": bool(repair.silver),
    }
    return [name for name, is_replaced in replaced.items() if is_replaced]


NAMES = ("a.json", "b.json", "c.json", "d.json")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """Build a pipeline that has read four files; keep it before and after archiving."""
    lake = tmp_path_factory.mktemp("lake")
    pipeline = PipelineBuilder(pipeline_config(lake, silver=True))
    for minute, name in enumerate(NAMES):
        pipeline.land(name)
        pipeline.run_batch()
        if minute % 2:
            pipeline.run_silver_batch([window(5 * minute)])
    fresh = Kept(pipeline)
    archive_history(pipeline.config)
    return {"fresh": fresh, "archived": Kept(pipeline)}


@pytest.fixture
def pipeline(built: dict[str, Kept], state: str) -> PipelineBuilder:
    """Return that pipeline in one of its states."""
    return built[state].put_back()


def count_windows(pipeline: PipelineBuilder) -> int:
    """Return how many rows silver has."""
    location = pipeline.config.silver_location(pipeline.windows)
    return len(read_delta(location)) if open_table(location) else 0


# Runs leave an archive. Where the audit finds the same without one the test is long.
STATES = [
    pytest.param(
        state,
        case,
        id=f"{state}-{name}",
        marks=pytest.mark.long if state == "fresh" and not case.archived else (),
    )
    for state in ("fresh", "archived")
    for name, case in CASES.items()
]


@pytest.mark.parametrize(("state", "case"), STATES)
def test_damage_is_refused_found_and_mended(
    pipeline: PipelineBuilder, case: Case
) -> None:
    """Refused by name and with the remedy; then each file's rows are there once."""
    is_archived = open_table(pipeline.config.ops_location("batches")) is not None
    codes = {*case.codes, *(case.archived if is_archived else ())}
    case.damage(pipeline)

    with pytest.raises(FatalError) as caught:
        preflight(pipeline.config, run_id="refused")
    found = check_facts(gather_facts(pipeline.config))
    plan = plan_repair(pipeline.config)
    assert plan.repair is not None
    carry_out(pipeline.config, plan)

    assert caught.value.condition is case.refusal
    assert "sluice checkpoint repair" in caught.value.message
    assert {each.code for each in found} == codes
    assert mended(plan.repair) == case.mended.split()
    assert count_windows(pipeline) == (0 if plan.repair.silver else 2)
    assert pipeline.silver.location.exists() != bool(plan.repair.silver)
    pipeline.land("e.json")
    pipeline.go_on()
    assert pipeline.rows_by_file() == dict.fromkeys((*NAMES, "e.json"), 3)
    assert plan_repair(pipeline.config).repair is None


@pytest.mark.parametrize("state", ["fresh", "archived"])
def test_pipeline_that_is_whole_is_let_pass(pipeline: PipelineBuilder) -> None:
    """Nothing is refused, found or repaired."""
    preflight(pipeline.config, run_id="run")

    assert check_facts(gather_facts(pipeline.config)) == []
    assert plan_repair(pipeline.config).repair is None
