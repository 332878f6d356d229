"""Which silver tables a repair has computed again, and how it begins that."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import rmtree

import pytest
from deltalake import DeltaTable

from sluice.checkpoint import read_checkpoint
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from support.builders import PipelineBuilder, pipeline_config, window
from support.damages import Damage, lose_checkpoint, lose_silver_checkpoint, restore
from support.delta_rows import read_delta
from support.kept import Kept

RESTORE = restore(0)


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


@pytest.mark.parametrize(
    ("damage", "bronze", "silver"),
    [
        (RESTORE, True, True),
        (lose_checkpoint, True, False),
        (lose_silver_checkpoint, False, True),
    ],
)
def test_silver_is_computed_again_where_it_would_read_rows_twice(
    pipeline: PipelineBuilder, damage: Damage, bronze: bool, silver: bool
) -> None:
    """Its table is emptied in one commit, its checkpoint moved aside."""
    damage(pipeline)
    plan = plan_repair(pipeline.config)
    assert plan.repair is not None

    carry_out(pipeline.config, plan)

    assert (plan.repair.end is not None, bool(plan.repair.silver)) == (bronze, silver)
    assert any("recomputed" in note for note in plan.notes) == silver
    location = pipeline.config.silver_location(pipeline.windows)
    assert len(read_delta(location)) == (0 if silver else 2)
    assert pipeline.silver.location.exists() != silver
    moved = Path(f"{pipeline.silver.location}{plan.repair.suffix}")
    assert moved.is_dir() == (silver and damage is not lose_silver_checkpoint)
    assert preflight(pipeline.config, run_id="next").silver_has_work == silver
    assert plan_repair(pipeline.config).repair is None


def test_emptied_silver_says_why_and_can_be_restored(pipeline: PipelineBuilder) -> None:
    """Windows whose rows bronze has no more are only there."""
    lose_silver_checkpoint(pipeline)
    plan = plan_repair(pipeline.config)
    carry_out(pipeline.config, plan)
    table = DeltaTable(pipeline.config.silver_location(pipeline.windows))

    metadata = json.loads(table.history(1)[0]["userMetadata"])

    assert (metadata["step"], metadata["command"]) == ("repair", plan.repair.command)
    table.restore(table.version() - 1)
    assert len(read_delta(table.table_uri)) == 2


def test_rebuilt_ledger_leaves_silver_where_no_row_comes_again(
    pipeline: PipelineBuilder,
) -> None:
    """Bronze is as it was, and silver goes on in it."""
    rmtree(pipeline.config.schema_location)
    before = read_checkpoint(str(pipeline.silver.location))

    carry_out(pipeline.config, plan_repair(pipeline.config))

    assert read_checkpoint(str(pipeline.silver.location)) == before


def test_rows_that_come_again_have_silver_recomputed(
    pipeline: PipelineBuilder,
) -> None:
    """Ledger lost and bronze restored, files to be read again."""
    RESTORE(pipeline)
    rmtree(pipeline.config.schema_location)

    plan = plan_repair(pipeline.config, missing="reread")

    assert plan.repair is not None
    assert plan.repair.silver == ("windows",)
