"""What silver's step refuses by itself: its task may be tried again alone."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pytest

from sluice.bronze import run as bronze_run
from sluice.bronze.run import run_bronze
from sluice.checkpoint.pending import PendingRepair, begin_pending
from sluice.errors import Condition, FatalError
from sluice.preflight.run import Preflight
from sluice.silver.run import run_silver
from support.builders import START, PipelineBuilder, pipeline_config, window


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline whose silver has emitted a window."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    return pipeline


def begin_repair(pipeline: PipelineBuilder) -> None:
    """Begin a repair, and be cut off."""
    location = pipeline.config.bronze_checkpoint_location
    repair = PendingRepair(
        command="sluice checkpoint repair orders",
        begun_at=START,
        query_id="new",
        end=1,
        conf={},
        silver=(),
        table_version=0,
    )
    assert begin_pending(location, repair)


def refusal(pipeline: PipelineBuilder) -> Condition:
    """Return why silver's step refuses, before it starts Spark."""
    with pytest.raises(FatalError) as caught:
        run_silver(pipeline.config, pipeline.windows, run_id="run-2")
    return caught.value.condition


def test_silver_without_its_checkpoint_is_refused(pipeline: PipelineBuilder) -> None:
    """It would read bronze from the start, and every window were there twice."""
    rmtree(pipeline.silver.location)

    assert refusal(pipeline) is Condition.CHECKPOINT_LOST


def test_silver_in_an_unfinished_repair_is_refused(pipeline: PipelineBuilder) -> None:
    """Its checkpoint may be moved away, and its table not be emptied yet."""
    begin_repair(pipeline)

    assert refusal(pipeline) is Condition.REPAIR_UNFINISHED


def test_bronze_in_a_repair_begun_since_its_preflight_is_refused(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long listing lies between the preflight and the lease."""
    found = Preflight(
        new_files=1, new_bytes=1, bronze_has_work=True, silver_has_work=True
    )
    monkeypatch.setattr(bronze_run, "preflight", lambda *_, **__: found)
    begin_repair(pipeline)

    with pytest.raises(FatalError) as caught:
        run_bronze(pipeline.config, run_id="run-2")

    assert caught.value.condition is Condition.REPAIR_UNFINISHED
