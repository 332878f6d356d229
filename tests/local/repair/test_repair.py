"""How a repair goes on, is cut off and decides: each file's rows once, none lost."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, rmtree

import pytest
from deltalake import DeltaTable

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.pending import (
    Missing,
    PendingRepair,
    begin_pending,
    mark_done,
)
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError
from sluice.ledger.events import EventKind, LedgerEvent, Replayed
from sluice.ledger.quarantine import QuarantinedFile
from sluice.preflight.run import preflight
from sluice.repair.run import RepairPlan, carry_out, plan_repair
from sluice.repair.steps import list_steps
from support.builders import START, PipelineBuilder, pipeline_config
from support.damages import (
    empty_table,
    lose_checkpoint,
    lose_ledger,
    replace_ledger,
    restore,
    set_ledger_back,
)
from support.kept import Kept


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Build a pipeline that has read four files, one a micro-batch."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path_factory.mktemp("lake")))
    for name in ("a.json", "b.json", "c.json", "d.json"):
        pipeline.land(name)
        pipeline.run_batch()
    preflight(pipeline.config, run_id="archives")
    return Kept(pipeline)


@pytest.fixture
def pipeline(built: Kept) -> PipelineBuilder:
    """Return that pipeline."""
    return built.put_back()


def each_once(*names: str) -> dict[str, int]:
    """Return the rows that files have when each was read once."""
    return dict.fromkeys(names, 3)


def repair(config: PipelineConfig, missing: Missing | None = None) -> RepairPlan:
    """Plan and carry out a repair."""
    plan = plan_repair(config, missing=missing)
    assert plan.repair is not None
    carry_out(config, plan)
    return plan


@pytest.fixture(params=["checkpoint", "ledger"])
def begun(
    request: pytest.FixtureRequest, pipeline: PipelineBuilder
) -> tuple[PipelineBuilder, PendingRepair]:
    """Return a damaged pipeline and the repair that was planned for it."""
    damage = restore(1) if request.param == "checkpoint" else replace_ledger
    damage(pipeline)
    plan = plan_repair(pipeline.config)
    assert plan.repair is not None
    return pipeline, plan.repair


def test_repair_may_be_killed_after_each_step(
    begun: tuple[PipelineBuilder, PendingRepair],
) -> None:
    """Until the command is called again no run begins; then it takes what is left."""
    pipeline, planned = begun
    kept = Kept(pipeline)
    for killed in range(len(list_steps(pipeline.config, planned)) + 1):
        kept.put_back()
        take_some(pipeline.config, planned, killed)

        with pytest.raises(FatalError) as caught:
            preflight(pipeline.config, run_id="refused")
        assert caught.value.condition is Condition.REPAIR_UNFINISHED
        assert caught.value.context["command"] == planned.command
        repair(pipeline.config)
        pipeline.go_on()

        assert pipeline.rows_by_file() == each_once(
            "a.json", "b.json", "c.json", "d.json"
        )


def test_rebuilt_ledger_does_not_hide_rows_that_are_gone(
    pipeline: PipelineBuilder,
) -> None:
    """Its first range came in many commits, so a RESTORE may take a part of it."""
    lose_ledger(pipeline)
    carry_out(pipeline.config, plan_repair(pipeline.config))
    rmtree(pipeline.config.ops_location("batch_files"))
    restore(1)(pipeline)

    with pytest.raises(FatalError) as caught:
        plan_repair(pipeline.config)
    carry_out(pipeline.config, plan_repair(pipeline.config, missing="reread"))
    pipeline.go_on()

    assert "sluice checkpoint repair orders --reread" in caught.value.message
    assert pipeline.rows_by_file() == each_once("a.json", "b.json", "c.json", "d.json")


@pytest.mark.parametrize("killed", [0, 2, 4])
def test_repair_that_was_overtaken_is_decided_again(
    begun: tuple[PipelineBuilder, PendingRepair], killed: int
) -> None:
    """What is restored after a repair was cut off counts."""
    pipeline, planned = begun
    take_some(pipeline.config, planned, killed)
    restore(0)(pipeline)

    repair(pipeline.config, "reread" if planned.old_ledger else None)
    pipeline.go_on()

    assert pipeline.rows_by_file() == each_once("a.json", "b.json", "c.json", "d.json")


def test_repair_that_is_needless_by_now_is_forgotten(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """Where all is put back from a backup after that, nothing is left to finish."""
    lake = Path(pipeline.config.lake)
    backup = copytree(lake, tmp_path / "backup")
    restore(1)(pipeline)
    planned = plan_repair(pipeline.config).repair
    assert planned is not None
    take_some(pipeline.config, planned, 2)
    for name in ("bronze", "checkpoints/orders/bronze"):
        rmtree(lake / name, ignore_errors=True)
        copytree(backup / name, lake / name)

    carry_out(pipeline.config, plan_repair(pipeline.config))

    pipeline.go_on()
    assert pipeline.rows_by_file() == each_once("a.json", "b.json", "c.json", "d.json")


def take_some(config: PipelineConfig, planned: PendingRepair, count: int) -> None:
    """Take some steps of a repair and be killed before the last is kept as done."""
    location = config.bronze_checkpoint_location
    assert begin_pending(location, planned)
    for number, (name, take) in enumerate(list_steps(config, planned)[:count], 1):
        take()
        if number < count:
            planned = mark_done(location, planned, name)


def test_nothing_wrong_is_nothing_to_repair(pipeline: PipelineBuilder) -> None:
    """The command may be given any time."""
    lake = Path(pipeline.config.lake)
    before = sorted(lake.rglob("*"))

    plan = plan_repair(pipeline.config)
    assert plan == RepairPlan(faults=(), notes=(), repair=None)

    assert sorted(lake.rglob("*")) == before


def test_planning_changes_nothing(pipeline: PipelineBuilder) -> None:
    """A dry run leaves the lake as it found it."""
    restore(1)(pipeline)
    lake = Path(pipeline.config.lake)
    before = sorted(lake.rglob("*"))

    plan_repair(pipeline.config)

    assert sorted(lake.rglob("*")) == before


def test_what_is_replaced_is_moved_aside(pipeline: PipelineBuilder) -> None:
    """Nothing that a person may want to look at is deleted."""
    replace_ledger(pipeline)
    old = pipeline.ledger.ledger_id
    plan = plan_repair(pipeline.config)
    assert plan.repair is not None

    carry_out(pipeline.config, plan)

    moved = pipeline.config.bronze_checkpoint_location + plan.repair.suffix
    checkpoint = read_checkpoint(moved)
    assert checkpoint is not None
    assert sorted(checkpoint.commits) == [0, 1, 2, 3]
    ledger = DeltaTable(pipeline.ledger.root + plan.repair.suffix + "/files")
    assert str(ledger.metadata().id) == old


def test_rows_in_the_middle_that_are_gone_are_not_passed_over(
    pipeline: PipelineBuilder,
) -> None:
    """A DELETE of one file is reported; --skip leaves it as it is."""
    table = DeltaTable(pipeline.config.bronze_location)
    table.delete("_source_file like '%b.json' or order_id = 'c.json-0'")
    lose_checkpoint(pipeline)

    with pytest.raises(FatalError) as caught:
        plan_repair(pipeline.config)
    plan = plan_repair(pipeline.config, missing="skip")
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    pipeline.go_on()

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    named = [Path(path).name for path in caught.value.context["paths"]]
    assert named == ["b.json", "c.json"]
    assert "sluice replay orders --files" in caught.value.message
    assert pipeline.rows_by_file() == {"a.json": 3, "c.json": 2, "d.json": 3}


def test_rows_that_are_gone_may_be_left_out(pipeline: PipelineBuilder) -> None:
    """A table that was emptied on purpose need not be filled again."""
    empty_table(pipeline)
    plan = plan_repair(pipeline.config, missing="skip")
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    pipeline.land("e.json")
    pipeline.go_on()

    assert pipeline.rows_by_file() == each_once("e.json")


def test_batch_in_flight_is_no_row_that_is_gone(pipeline: PipelineBuilder) -> None:
    """A claimed range that was never committed is read, also with --skip."""
    pipeline.land("e.json")
    pipeline.run_batch(written=False, committed=False)
    lose_checkpoint(pipeline)
    plan = plan_repair(pipeline.config, missing="skip")
    assert plan.repair is not None

    carry_out(pipeline.config, plan)
    pipeline.go_on()

    assert plan.repair.end == 4
    assert pipeline.rows_by_file()["e.json"] == 3


def test_files_to_read_again_must_be_there(pipeline: PipelineBuilder) -> None:
    """Rows that no landed file can bring back are not given up in silence."""
    restore(1)(pipeline)
    Path(pipeline.config.landing_location, "c.json").unlink()

    with pytest.raises(FatalError) as caught:
        plan_repair(pipeline.config)

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    assert "c.json" in caught.value.message


def test_ranges_without_rows_are_not_read_again(pipeline: PipelineBuilder) -> None:
    """An empty file may be gone from the landing folder, and adds nothing."""
    path = pipeline.land("empty.json", rows=0)
    pipeline.run_batch()
    preflight(pipeline.config, run_id="archives")
    Path(path).unlink()
    lose_checkpoint(pipeline)

    plan = repair(pipeline.config)

    assert plan.repair is not None
    assert plan.repair.end == 5


@pytest.mark.parametrize("missing", ["reread", "skip"])
def test_lost_rows_and_lost_ledger_need_a_choice(
    pipeline: PipelineBuilder, missing: Missing
) -> None:
    """The archive knows files whose rows the table no longer has."""
    restore(1)(pipeline)
    lose_ledger(pipeline)

    with pytest.raises(FatalError) as caught:
        plan_repair(pipeline.config)
    plan = plan_repair(pipeline.config, missing=missing)
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    pipeline.go_on()

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    held = {"reread": ["a.json", "b.json", "c.json", "d.json"]}
    assert pipeline.rows_by_file() == each_once(
        *held.get(missing, ["a.json", "b.json"])
    )


def test_file_that_a_replay_left_without_rows_is_not_missed(
    pipeline: PipelineBuilder,
) -> None:
    """The old ledger knows what the replay read; the archive has the rows before."""
    file = pipeline.ledger.files()[0]
    event = LedgerEvent(
        kind=EventKind.REPLAYED,
        seq=file.seq,
        path=file.path,
        detail=Replayed(table_version=4, rows=0, rescued_rows=0).detail,
        run_id="replay",
        at=START,
    )
    pipeline.ledger.append_events([event])
    DeltaTable(pipeline.config.bronze_location).delete(f"_source_file = '{file.path}'")
    rmtree(Path(pipeline.ledger.root, "claims"))

    assert plan_repair(pipeline.config).repair is not None


def test_files_in_quarantine_come_again(pipeline: PipelineBuilder) -> None:
    """They gave no row, so a rebuilt ledger does not know them."""
    path = pipeline.land("e.json")
    pipeline.discover()
    bad = QuarantinedFile(5, path, "truncated", "run", START)
    pipeline.ledger.quarantine(bad)
    pipeline.run_batch()
    preflight(pipeline.config, run_id="archives")
    lose_ledger(pipeline)
    plan = plan_repair(pipeline.config)
    assert plan.repair is not None

    carry_out(pipeline.config, plan)
    pipeline.go_on()

    assert pipeline.rows_by_file()["e.json"] == 3


def test_ledger_that_lacks_files_of_the_table_is_rebuilt(
    pipeline: PipelineBuilder,
) -> None:
    """Their files would be discovered once more, and read."""
    set_ledger_back(pipeline)
    lose_checkpoint(pipeline)

    plan = repair(pipeline.config)
    pipeline.go_on()

    assert plan.repair is not None
    assert plan.repair.old_ledger
    assert any("which it never planned" in fault for fault in plan.faults)
    assert pipeline.rows_by_file() == each_once("a.json", "b.json", "c.json", "d.json")


def test_rows_in_the_middle_that_are_gone_may_be_read_again(
    pipeline: PipelineBuilder,
) -> None:
    """Only a new ledger can number their files after the others."""
    DeltaTable(pipeline.config.bronze_location).delete("_source_file like '%b.json'")
    lose_checkpoint(pipeline)

    plan = repair(pipeline.config, "reread")
    pipeline.go_on()

    assert plan.repair is not None
    assert plan.repair.old_ledger
    assert pipeline.rows_by_file() == each_once("a.json", "b.json", "c.json", "d.json")


def test_ledger_that_is_lost_in_a_repair_is_rebuilt(pipeline: PipelineBuilder) -> None:
    """What was decided with it cannot be carried out any more."""
    restore(1)(pipeline)
    planned = plan_repair(pipeline.config).repair
    assert planned is not None
    take_some(pipeline.config, planned, 2)
    lose_ledger(pipeline)

    repair(pipeline.config, "reread")
    pipeline.go_on()

    assert pipeline.rows_by_file() == each_once("a.json", "b.json", "c.json", "d.json")
