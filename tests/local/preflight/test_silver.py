"""Silver is refused where it has read another bronze."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree, rmtree

import msgspec
import pytest

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.config import Window
from sluice.errors import Condition
from sluice.history.replays import LATE_ROWS, TouchedWindows, keep_touched
from sluice.intervals import Interval
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from support.builders import (
    PipelineBuilder,
    pipeline_config,
    window,
)
from support.preflights import check, refusal


@pytest.fixture
def silver(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline whose silver has emitted windows in two micro-batches."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    pipeline.run_silver_batch([window(5)])
    return pipeline


def test_silver_that_fits_is_let_pass(silver: PipelineBuilder) -> None:
    """Also where its newest batch was cut off after its Delta commit."""
    check(silver)
    silver.silver.remove("commits/1")

    check(silver)


def restore_bronze_whole(pipeline: PipelineBuilder, backup: Path) -> None:
    """Put table, checkpoint and ledger of bronze back from before silver's last run.

    The archive would show it, too, as long as it is there.
    """
    config = pipeline.config
    rmtree(Path(config.lake, "ops"))
    for number, location in enumerate(bronze_locations(pipeline)):
        rmtree(location)
        copytree(backup / str(number), location)
    assert read_checkpoint(config.bronze_checkpoint_location) is not None


def bronze_locations(pipeline: PipelineBuilder) -> list[str]:
    """Return what of bronze fits together only if it is of one age."""
    config = pipeline.config
    checkpoint = config.bronze_checkpoint_location
    return [config.bronze_location, checkpoint, config.schema_location]


def lose_bronze_whole(pipeline: PipelineBuilder, _: Path) -> None:
    """Remove table, checkpoint and ledger of bronze, to start over."""
    for location in bronze_locations(pipeline):
        rmtree(location)


def replace_bronze_whole(pipeline: PipelineBuilder, backup: Path) -> None:
    """Start over without silver, up to a table of as many versions."""
    lose_bronze_whole(pipeline, backup)
    pipeline.run_batch()
    pipeline.land("c.json")
    pipeline.run_batch()


@pytest.mark.parametrize(
    ("damage", "evidence"),
    [
        (restore_bronze_whole, "is at version 0, and was read up to 1"),
        (lose_bronze_whole, "is gone"),
        (replace_bronze_whole, "is another table"),
    ],
)
def test_silver_that_has_read_another_bronze_is_refused(
    silver: PipelineBuilder,
    tmp_path: Path,
    damage: Callable[[PipelineBuilder, Path], None],
    evidence: str,
) -> None:
    """Its stream would pass over what bronze appends again, or read it twice."""
    for number, location in enumerate(bronze_locations(silver)):
        copytree(location, tmp_path / "backup" / str(number))
    silver.land("b.json")
    silver.run_batch()
    silver.run_silver_batch([window(10)])
    check(silver)

    damage(silver, tmp_path / "backup")
    error = refusal(silver)

    assert error.condition is Condition.TABLE_REWOUND
    assert evidence in error.message
    assert "sluice checkpoint repair orders" in error.message
    carry_out(silver.config, plan_repair(silver.config))
    assert check(silver).has_work
    assert not silver.silver.location.exists() or not list(
        silver.silver.location.glob("offsets/*")
    )


def test_sessions_that_were_touched_are_work_once_for_each_watermark(
    tmp_path: Path,
) -> None:
    """What late rows left is done by a run that has nothing new."""
    session = {"type": "session", "gap": "10 minutes"}
    config = pipeline_config(tmp_path, silver=True)
    windows = config.silver[0].model_copy(
        update={"window": Window.model_validate(session)}
    )
    pipeline = PipelineBuilder(config.model_copy(update={"silver": [windows]}))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    until = closed_up_to(read_checkpoint(str(pipeline.silver.location)))
    touched = TouchedWindows(
        replay_id="late",
        run_id="run",
        at=datetime.now(UTC),
        after_version=0,
        spans=(Interval(until - timedelta(hours=1), until),),
        reason=LATE_ROWS,
    )

    def has_work() -> bool:
        return preflight(pipeline.config, run_id="run").silver_has_work

    assert not has_work()
    keep_touched(pipeline.config, windows.name, touched)
    assert has_work()
    done = msgspec.structs.replace(touched, recomputed_up_to=until)
    keep_touched(pipeline.config, windows.name, done)
    assert not has_work()
