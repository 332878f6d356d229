"""Which silver tables a repair has computed anew, and how it begins that."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest
from deltalake import DeltaTable

from builders import PipelineBuilder, pipeline_config, window
from delta_rows import read_delta
from kept import Kept
from sluice.checkpoint import read_checkpoint
from sluice.preflight import preflight
from sluice.repair.run import carry_out, plan_checkpoint_repair, plan_ledger_rebuild

Damage = Callable[[PipelineBuilder], object]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Build a pipeline with two batches of bronze and two of silver."""
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path_factory.mktemp("lake"), silver=True)
    )
    for minute, name in enumerate(("a.json", "b.json")):
        pipeline.land(name)
        pipeline.run_batch()
        pipeline.run_silver_batch([window(5 * minute)])
    preflight(pipeline.config, run_id="archives")
    return Kept(pipeline)


@pytest.fixture
def pipeline(built: Kept) -> PipelineBuilder:
    """Return that pipeline."""
    return built.put_back()


def restore_bronze(pipeline: PipelineBuilder) -> None:
    """RESTORE bronze."""
    DeltaTable(pipeline.config.bronze_location).restore(0)


def lose_bronze_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete bronze's checkpoint."""
    rmtree(pipeline.bronze.location)


def lose_silver_checkpoint(pipeline: PipelineBuilder) -> None:
    """Delete silver's checkpoint."""
    rmtree(pipeline.silver.location)


def tear_silver_commit(pipeline: PipelineBuilder) -> None:
    """Cut off a file of silver's commit log."""
    pipeline.silver.write("commits/1", "v1")


def replace_bronze(pipeline: PipelineBuilder) -> None:
    """Put another table in bronze's place that has the same rows."""
    location = pipeline.config.bronze_location
    offset = json.dumps({"reservoirId": "another", "reservoirVersion": 2, "index": -1})
    pipeline.silver.plan(1, offset)
    assert DeltaTable(location).version() == 1
    lose_bronze_checkpoint(pipeline)


@pytest.mark.parametrize(
    ("damage", "bronze", "silver"),
    [
        (restore_bronze, True, True),
        (lose_bronze_checkpoint, True, False),
        (replace_bronze, True, True),
        (lose_silver_checkpoint, False, True),
        (tear_silver_commit, False, True),
    ],
)
def test_silver_is_computed_anew_where_it_would_read_rows_twice(
    pipeline: PipelineBuilder, damage: Damage, bronze: bool, silver: bool
) -> None:
    """Its table is emptied in one commit, its checkpoint moved aside."""
    damage(pipeline)
    plan = plan_checkpoint_repair(pipeline.config)
    assert plan.repair is not None

    carry_out(pipeline.config, plan)

    assert (plan.repair.end is not None, bool(plan.repair.silver)) == (bronze, silver)
    assert any("computed anew" in note for note in plan.notes) == silver
    location = pipeline.config.silver_location(pipeline.windows)
    assert len(read_delta(location)) == (0 if silver else 2)
    assert pipeline.silver.location.exists() != silver
    moved = Path(f"{pipeline.silver.location}{plan.repair.suffix}")
    assert moved.is_dir() == (silver and damage is not lose_silver_checkpoint)
    assert preflight(pipeline.config, run_id="next").silver_has_work == silver
    assert plan_checkpoint_repair(pipeline.config).repair is None


def test_emptied_silver_says_why_and_can_be_restored(pipeline: PipelineBuilder) -> None:
    """Windows whose rows bronze has no more are only there."""
    lose_silver_checkpoint(pipeline)
    plan = plan_checkpoint_repair(pipeline.config)
    carry_out(pipeline.config, plan)
    table = DeltaTable(pipeline.config.silver_location(pipeline.windows))

    told = json.loads(table.history(1)[0]["userMetadata"])

    assert (told["step"], told["command"]) == ("repair", plan.repair.command)
    table.restore(table.version() - 1)
    assert len(read_delta(table.table_uri)) == 2


def test_rebuilt_ledger_leaves_silver_where_no_row_comes_again(
    pipeline: PipelineBuilder,
) -> None:
    """Bronze is as it was, and silver goes on in it."""
    rmtree(pipeline.config.schema_location)
    before = read_checkpoint(str(pipeline.silver.location))

    carry_out(pipeline.config, plan_ledger_rebuild(pipeline.config))

    assert read_checkpoint(str(pipeline.silver.location)) == before


def test_rows_that_come_again_have_silver_computed_anew(
    pipeline: PipelineBuilder,
) -> None:
    """Ledger lost and bronze restored, files to be read again."""
    restore_bronze(pipeline)
    rmtree(pipeline.config.schema_location)

    plan = plan_ledger_rebuild(pipeline.config, missing="reread")

    assert plan.repair is not None
    assert plan.repair.silver == ("windows",)
