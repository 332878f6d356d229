"""A pipeline is damaged, repaired and run on: each file's rows once, none lost.

Spark is played by ``go_on``, which does what MicroBatchExecution and Delta's sink do;
the real ones take the same damages in tests/spark/test_repair.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from deltalake import DeltaTable

from builders import START, CheckpointBuilder, PipelineBuilder, pipeline_config
from delta_rows import read_delta
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.pending import (
    Missing,
    PendingRepair,
    begin_pending,
    mark_done,
)
from sluice.config import PipelineConfig
from sluice.deltalog import latest_transaction
from sluice.errors import Condition, FatalError
from sluice.model import CHAIN_START, SeqRange
from sluice.preflight import preflight
from sluice.repair.run import (
    RepairPlan,
    carry_out,
    plan_checkpoint_repair,
    plan_ledger_rebuild,
)
from sluice.repair.steps import list_steps
from sluice.source.quarantine import QuarantinedFile

Damage = Callable[[PipelineBuilder], object]


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read four files, one a micro-batch."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    for name in ("a.json", "b.json", "c.json", "d.json"):
        pipeline.land(name)
        pipeline.run_batch()
    preflight(pipeline.config, run_id="archives")
    return pipeline


def go_on(pipeline: PipelineBuilder) -> None:
    """Run on from the checkpoint as Spark does, once the preflight allows it."""
    preflight(pipeline.config, run_id="goes on")
    location = pipeline.config.bronze_checkpoint_location
    while True:
        checkpoint = read_checkpoint(location)
        assert checkpoint is not None
        assert checkpoint.query_id is not None
        pipeline.bronze = CheckpointBuilder(Path(location), checkpoint.query_id)
        batch, start = checkpoint.last_planned, CHAIN_START
        if batch is not None:
            assert batch == 0 or batch - 1 in checkpoint.offsets
            start = json.loads(checkpoint.offsets[batch].offsets[0] or "")["seq"]
        batch = 0 if batch is None else batch + 1
        end = pipeline.ledger.claimed_end(start)
        if end is None:
            end = pipeline.ledger.high_seq()
            if end == start:
                return
            end = pipeline.ledger.claim(SeqRange(start, end), run_id="goes on")
        pipeline.bronze.plan(batch, pipeline.offset(end))
        done = latest_transaction(pipeline.config.bronze_location, checkpoint.query_id)
        if done is None or done < batch:
            paths = [file.path for file in pipeline.ledger.files(start, end)]
            pipeline.write_rows(paths, batch_id=batch)
        pipeline.bronze.commit(batch)


def rows(pipeline: PipelineBuilder) -> dict[str, int]:
    """Return the rows of each file in the table, by name."""
    table = read_delta(pipeline.config.bronze_location)
    return Counter(Path(path).name for path in table["_source_file"].to_pylist())


def each_once(*names: str) -> dict[str, int]:
    """Return the rows that files have when each was read once."""
    return dict.fromkeys(names, 3)


def restore(version: int) -> Damage:
    """RESTORE the table."""
    return lambda it: DeltaTable(it.config.bronze_location).restore(version)


def empty(pipeline: PipelineBuilder) -> None:
    """DELETE every row."""
    DeltaTable(pipeline.config.bronze_location).delete()


def lose_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete the checkpoint."""
    rmtree(pipeline.config.bronze_checkpoint_location)


def tear_offsets(pipeline: PipelineBuilder) -> None:
    """Cut the newest file of the offset log off."""
    path = pipeline.bronze.location / "offsets" / "3"
    path.write_text(path.read_text()[:20])


def lose_metadata(pipeline: PipelineBuilder) -> None:
    """Delete the query id."""
    pipeline.bronze.remove("metadata")


def lose_offsets_in_the_middle(pipeline: PipelineBuilder) -> None:
    """Delete an offset file that Spark needs to begin."""
    pipeline.bronze.remove("offsets/2")


def lose_table(pipeline: PipelineBuilder) -> None:
    """Delete the table."""
    rmtree(pipeline.config.bronze_location)


def restore_and_lose_checkpoint(pipeline: PipelineBuilder) -> None:
    """RESTORE the table, and then delete the checkpoint."""
    restore(1)(pipeline)
    lose_checkpoint(pipeline)


CHECKPOINT_DAMAGES: dict[str, tuple[Damage, Condition]] = {
    "restored": (restore(1), Condition.TABLE_REWOUND),
    "restored to its first rows": (restore(0), Condition.TABLE_REWOUND),
    "emptied": (empty, Condition.TABLE_REWOUND),
    "checkpoint lost": (lose_checkpoint, Condition.CHECKPOINT_LOST),
    "restored, checkpoint lost": (
        restore_and_lose_checkpoint,
        Condition.CHECKPOINT_LOST,
    ),
    "offsets torn": (tear_offsets, Condition.CHECKPOINT_UNREADABLE),
    "metadata lost": (lose_metadata, Condition.CHECKPOINT_UNREADABLE),
    "table lost": (lose_table, Condition.TABLE_REWOUND),
}
damages = pytest.mark.parametrize(
    ("damage", "condition"), CHECKPOINT_DAMAGES.values(), ids=CHECKPOINT_DAMAGES
)


def repair(config: PipelineConfig) -> RepairPlan:
    """Plan and carry out the repair of a checkpoint."""
    plan = plan_checkpoint_repair(config)
    assert plan.repair is not None
    carry_out(config, plan)
    return plan


@damages
def test_repaired_checkpoint_loses_and_doubles_nothing(
    pipeline: PipelineBuilder, damage: Damage, condition: Condition
) -> None:
    """The preflight refuses, the command mends, and the next run reads the rest."""
    damage(pipeline)
    with pytest.raises(FatalError) as caught:
        preflight(pipeline.config, run_id="refused")
    assert caught.value.condition is condition
    assert "sluice checkpoint repair orders" in caught.value.message

    repair(pipeline.config)
    pipeline.land("e.json")
    go_on(pipeline)

    assert rows(pipeline) == each_once("a.json", "b.json", "c.json", "d.json", "e.json")
    assert plan_checkpoint_repair(pipeline.config).repair is None


def lose_ledger(pipeline: PipelineBuilder) -> None:
    """Delete the schema folder with the ledger in it."""
    rmtree(pipeline.config.schema_location)


def lose_ledger_and_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete both."""
    lose_ledger(pipeline)
    lose_checkpoint(pipeline)


def replace_ledger(pipeline: PipelineBuilder) -> None:
    """Delete the ledger, and let somebody make a new one."""
    lose_ledger(pipeline)
    pipeline.discover()


def lose_claims(pipeline: PipelineBuilder) -> None:
    """Delete the table of claims."""
    rmtree(Path(pipeline.ledger.root, "claims"))


def lose_files_table(pipeline: PipelineBuilder) -> None:
    """Delete the table of files."""
    rmtree(Path(pipeline.ledger.root, "files"))


def tear_ledger(pipeline: PipelineBuilder) -> None:
    """Lose a data file of the table of files, as a partial restore does."""
    next(Path(pipeline.ledger.root, "files").glob("*.parquet")).unlink()


def set_ledger_back(pipeline: PipelineBuilder) -> None:
    """Take the newest two files and claims away again."""
    for name in ("files", "claims"):
        location = Path(pipeline.ledger.root, name, "_delta_log")
        for version in (3, 4):
            (location / f"{version:020d}.json").unlink()


LEDGER_DAMAGES: dict[str, Damage] = {
    "lost": lose_ledger,
    "lost with the checkpoint": lose_ledger_and_checkpoint,
    "replaced": replace_ledger,
    "claims lost": lose_claims,
    "files lost": lose_files_table,
    "torn": tear_ledger,
    "set back": set_ledger_back,
}


@pytest.mark.parametrize("damage", LEDGER_DAMAGES.values(), ids=LEDGER_DAMAGES)
def test_rebuilt_ledger_loses_and_doubles_nothing(
    pipeline: PipelineBuilder, damage: Damage
) -> None:
    """What the table holds is known to the new ledger; all else is read."""
    pipeline.land("e.json")
    damage(pipeline)
    with pytest.raises(FatalError) as caught:
        preflight(pipeline.config, run_id="refused")
    assert "sluice ledger rebuild" in caught.value.message

    plan = plan_ledger_rebuild(pipeline.config)
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    go_on(pipeline)

    assert rows(pipeline) == each_once("a.json", "b.json", "c.json", "d.json", "e.json")
    assert plan_ledger_rebuild(pipeline.config).repair is None
    files = pipeline.ledger.files()
    sizes = {Path(file.path).name: file.size for file in files}
    assert sizes == dict.fromkeys(rows(pipeline), Path(files[0].path).stat().st_size)
    assert pipeline.ledger.claims()[0].range == SeqRange(CHAIN_START, 4)


@pytest.fixture(params=["checkpoint", "ledger"])
def begun(
    request: pytest.FixtureRequest, pipeline: PipelineBuilder
) -> tuple[PipelineBuilder, PendingRepair]:
    """Return a damaged pipeline and the repair that was planned for it."""
    if request.param == "checkpoint":
        restore(1)(pipeline)
        plan = plan_checkpoint_repair(pipeline.config)
    else:
        replace_ledger(pipeline)
        plan = plan_ledger_rebuild(pipeline.config)
    assert plan.repair is not None
    return pipeline, plan.repair


def test_repair_may_be_killed_after_each_step(
    tmp_path: Path, begun: tuple[PipelineBuilder, PendingRepair]
) -> None:
    """Until the command is called again no run begins; then it takes what is left."""
    pipeline, planned = begun
    kept = tmp_path.with_name(f"{tmp_path.name}-kept")
    copytree(tmp_path, kept)
    for killed in range(len(list_steps(pipeline.config, planned)) + 1):
        rmtree(tmp_path)
        copytree(kept, tmp_path)
        take_some(pipeline.config, planned, killed)

        with pytest.raises(FatalError) as caught:
            preflight(pipeline.config, run_id="refused")
        assert caught.value.condition is Condition.REPAIR_UNFINISHED
        assert caught.value.context["command"] == planned.command
        repair(pipeline.config)
        go_on(pipeline)

        assert rows(pipeline) == each_once("a.json", "b.json", "c.json", "d.json")


def test_rebuilt_ledger_does_not_hide_rows_that_are_gone(
    pipeline: PipelineBuilder,
) -> None:
    """Its first range came in many commits, so a RESTORE may take a part of it."""
    lose_ledger(pipeline)
    carry_out(pipeline.config, plan_ledger_rebuild(pipeline.config))
    rmtree(pipeline.config.ops_location("batch_files"))
    restore(1)(pipeline)

    with pytest.raises(FatalError) as caught:
        plan_checkpoint_repair(pipeline.config)
    carry_out(pipeline.config, plan_ledger_rebuild(pipeline.config, missing="reread"))
    go_on(pipeline)

    assert "sluice ledger rebuild orders --reread" in caught.value.message
    assert rows(pipeline) == each_once("a.json", "b.json", "c.json", "d.json")


@pytest.mark.parametrize("killed", [0, 2, 4])
def test_repair_that_was_overtaken_is_decided_anew(
    begun: tuple[PipelineBuilder, PendingRepair], killed: int
) -> None:
    """Who restores something after a repair was cut off is not ignored."""
    pipeline, planned = begun
    take_some(pipeline.config, planned, killed)
    restore(0)(pipeline)

    if planned.old_ledger:
        plan = plan_ledger_rebuild(pipeline.config, missing="reread")
        assert plan.repair is not None
        carry_out(pipeline.config, plan)
    else:
        repair(pipeline.config)
    go_on(pipeline)

    assert rows(pipeline) == each_once("a.json", "b.json", "c.json", "d.json")


def test_repair_that_is_needless_by_now_is_forgotten(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """Who puts all back from a backup after it was cut off has nothing to finish."""
    copytree(tmp_path, tmp_path.with_name(f"{tmp_path.name}-backup"))
    restore(1)(pipeline)
    planned = plan_checkpoint_repair(pipeline.config).repair
    assert planned is not None
    take_some(pipeline.config, planned, 2)
    for name in ("bronze", "checkpoints/orders/bronze"):
        rmtree(tmp_path / name, ignore_errors=True)
        copytree(tmp_path.with_name(f"{tmp_path.name}-backup") / name, tmp_path / name)

    carry_out(pipeline.config, plan_checkpoint_repair(pipeline.config))

    go_on(pipeline)
    assert rows(pipeline) == each_once("a.json", "b.json", "c.json", "d.json")


def take_some(config: PipelineConfig, planned: PendingRepair, count: int) -> None:
    """Take some steps of a repair and be killed before the last is kept as done."""
    location = config.bronze_checkpoint_location
    assert begin_pending(location, planned)
    for number, (name, take) in enumerate(list_steps(config, planned)[:count], 1):
        take()
        if number < count:
            planned = mark_done(location, planned, name)


def test_nothing_wrong_is_nothing_to_repair(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """The command may be given any time."""
    before = sorted(tmp_path.rglob("*"))

    for plan in (plan_checkpoint_repair, plan_ledger_rebuild):
        assert plan(pipeline.config) == RepairPlan(faults=(), notes=(), repair=None)

    assert sorted(tmp_path.rglob("*")) == before


def test_planning_changes_nothing(pipeline: PipelineBuilder, tmp_path: Path) -> None:
    """A dry run leaves the lake as it found it."""
    restore(1)(pipeline)
    before = sorted(tmp_path.rglob("*"))

    plan_checkpoint_repair(pipeline.config)

    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_replaced_is_moved_aside(pipeline: PipelineBuilder) -> None:
    """Nothing that somebody may want to look at is deleted."""
    replace_ledger(pipeline)
    old = pipeline.ledger.ledger_id
    plan = plan_ledger_rebuild(pipeline.config)
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
    """A DELETE of one file is told; --skip leaves it as it is."""
    table = DeltaTable(pipeline.config.bronze_location)
    table.delete("_source_file like '%b.json' or order_id = 'c.json-0'")
    lose_checkpoint(pipeline)

    with pytest.raises(FatalError) as caught:
        plan_checkpoint_repair(pipeline.config)
    plan = plan_checkpoint_repair(pipeline.config, missing="skip")
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    go_on(pipeline)

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    named = [Path(path).name for path in caught.value.context["paths"]]
    assert named == ["b.json", "c.json"]
    assert "sluice replay orders --files" in caught.value.message
    assert rows(pipeline) == {"a.json": 3, "c.json": 2, "d.json": 3}


def test_rows_that_are_gone_may_be_left_out(pipeline: PipelineBuilder) -> None:
    """Who emptied the table on purpose need not have it filled again."""
    empty(pipeline)
    plan = plan_checkpoint_repair(pipeline.config, missing="skip")
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    pipeline.land("e.json")
    go_on(pipeline)

    assert rows(pipeline) == each_once("e.json")


def test_batch_in_flight_is_no_row_that_is_gone(pipeline: PipelineBuilder) -> None:
    """A claimed range that was never committed is read, also with --skip."""
    pipeline.land("e.json")
    pipeline.run_batch(written=False, committed=False)
    lose_checkpoint(pipeline)
    plan = plan_checkpoint_repair(pipeline.config, missing="skip")
    assert plan.repair is not None

    carry_out(pipeline.config, plan)
    go_on(pipeline)

    assert plan.repair.end == 4
    assert rows(pipeline)["e.json"] == 3


def test_files_to_read_again_must_be_there(pipeline: PipelineBuilder) -> None:
    """Rows that no landed file can bring back are not given up in silence."""
    restore(1)(pipeline)
    Path(pipeline.config.landing_location, "c.json").unlink()

    with pytest.raises(FatalError) as caught:
        plan_checkpoint_repair(pipeline.config)

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    assert "c.json" in caught.value.message


def test_ranges_without_rows_are_not_read_again(pipeline: PipelineBuilder) -> None:
    """An empty file may be gone from the landing folder by now, and adds nothing."""
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
        plan_ledger_rebuild(pipeline.config)
    plan = plan_ledger_rebuild(pipeline.config, missing=missing)
    assert plan.repair is not None
    carry_out(pipeline.config, plan)
    go_on(pipeline)

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    held = {"reread": ["a.json", "b.json", "c.json", "d.json"]}
    assert rows(pipeline) == each_once(*held.get(missing, ["a.json", "b.json"]))


def test_files_in_quarantine_come_again(pipeline: PipelineBuilder) -> None:
    """They gave no row, so a rebuilt ledger does not know them."""
    path = pipeline.land("e.json")
    pipeline.discover()
    bad = QuarantinedFile(5, path, "truncated", "run", START)
    pipeline.ledger.quarantine(bad)
    pipeline.run_batch()
    preflight(pipeline.config, run_id="archives")
    lose_ledger(pipeline)
    plan = plan_ledger_rebuild(pipeline.config)
    assert plan.repair is not None

    carry_out(pipeline.config, plan)
    go_on(pipeline)

    assert rows(pipeline)["e.json"] == 3


def test_ledger_that_lacks_files_of_the_table_is_for_a_rebuild(
    pipeline: PipelineBuilder,
) -> None:
    """Their files would be discovered once more, and read."""
    set_ledger_back(pipeline)
    lose_checkpoint(pipeline)

    with pytest.raises(FatalError) as caught:
        plan_checkpoint_repair(pipeline.config)

    assert "sluice ledger rebuild orders" in caught.value.message
