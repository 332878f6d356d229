"""Whether open windows are as new as their table, seen in the logs alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.config import PipelineConfig
from sluice.config.expectation import Expectation
from sluice.history.live import LiveDue, find_live_due, has_live
from sluice.preflight.run import preflight
from support.builders import SILVER, PipelineBuilder, window
from support.replays import DDL


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with a row in bronze, and a final window."""
    raw = {
        "name": "orders",
        "lake": str(tmp_path),
        "bronze": {"source": {"schema": DDL}},
        "silver": [SILVER | {"live": True}],
    }
    pipeline = PipelineBuilder(PipelineConfig.model_validate(raw))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    return pipeline


def find(pipeline: PipelineBuilder, **changed: object) -> LiveDue | None:
    """Return what is to be computed, by a table of which keys are ``changed``."""
    config, (silver,) = pipeline.config, pipeline.config.silver
    checkpoint = read_checkpoint(config.silver_checkpoint_location(silver))
    silver = silver.model_copy(update=changed)
    return find_live_due(config, silver, closed_up_to(checkpoint))


def location(pipeline: PipelineBuilder) -> str:
    """Return the table of open windows."""
    return pipeline.config.live_location(pipeline.config.silver[0])


def write(pipeline: PipelineBuilder, said: str, *windows: int) -> None:
    """Replace the table by windows of so many orders."""
    write_deltalake(
        location(pipeline),
        pa.table({"order_count": pa.array(windows, pa.int64())}),
        mode="overwrite",
        commit_properties=CommitProperties(custom_metadata={"userMetadata": said}),
    )


def compute(pipeline: PipelineBuilder, *windows: int) -> None:
    """Write the table as if it was computed."""
    due = find(pipeline)
    assert due is not None
    write(pipeline, json.dumps(due.said), *windows)


def is_due(pipeline: PipelineBuilder) -> bool:
    """Return whether a run would begin."""
    return preflight(pipeline.config, run_id="run").silver_has_work


def delete_row(pipeline: PipelineBuilder, name: str) -> None:
    """Let bronze lose the row of a file."""
    bronze = DeltaTable(pipeline.config.bronze_location)
    bronze.delete(f"order_id = '{name}-0'")


def test_open_windows_are_due_until_they_are_of_the_newest_rows(
    pipeline: PipelineBuilder,
) -> None:
    """A run with nothing else to do begins for them, also where others wrote there."""
    assert is_due(pipeline)
    compute(pipeline, 1)
    assert not is_due(pipeline)
    config, (silver,) = pipeline.config, pipeline.config.silver
    later = datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert find_live_due(config, silver, later), "a window was closed"
    rule = Expectation(expect="order_count > 1")
    assert find(pipeline, expectations={"several": rule}), "they are to be marked"

    write(pipeline, "another writer", 1)
    assert is_due(pipeline)
    assert not has_live(location(pipeline))
    compute(pipeline, 1)
    delete_row(pipeline, "a.json")
    assert is_due(pipeline), "bronze has lost a row"
    compute(pipeline)
    assert not is_due(pipeline)


def test_windows_that_were_none_and_are_none_are_not_due_for_ever(
    pipeline: PipelineBuilder,
) -> None:
    """Their commit adds and removes nothing; and damage is the step's to name."""
    delete_row(pipeline, "a.json")
    compute(pipeline)
    pipeline.land("b.json")
    pipeline.run_batch()
    delete_row(pipeline, "b.json")
    assert find(pipeline)
    compute(pipeline)
    assert find(pipeline) is None
    assert has_live(location(pipeline))

    log = Path(location(pipeline), "_delta_log")
    max(log.glob("*.json")).write_text("no commit")
    assert is_due(pipeline)
