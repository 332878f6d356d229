"""What each step did is kept, by run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluice.history import latest_start, read_steps, record_step
from sluice.model import StepSummary
from support.builders import pipeline_config

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_steps_come_back_as_they_were_in_order(tmp_path: Path) -> None:
    """The table at the end of a run is made of these."""
    config = pipeline_config(tmp_path)
    bronze = StepSummary("bronze", "run-1", {"rows": 5}, ("two files waited",))
    silver = StepSummary("silver", "run-1", {"windows": 2})
    later = START + timedelta(minutes=1)
    record_step(config, silver, started=later, finished=later)
    record_step(config, bronze, started=START, finished=START)
    record_step(config, StepSummary("bronze", "run-2"), started=later, finished=later)
    assert read_steps(config, "run-1") == [bronze, silver]
    assert latest_start(config, "bronze") == later


def test_run_without_steps_is_empty(tmp_path: Path) -> None:
    """A run that found nothing to do has none."""
    config = pipeline_config(tmp_path)
    assert read_steps(config, "run-1") == []
    assert latest_start(config, "bronze") is None


def test_steps_of_another_pipeline_are_not_ours(tmp_path: Path) -> None:
    """The pipelines of a lake share the table, and run ids may be equal."""
    record_step(
        pipeline_config(tmp_path, name="returns"),
        StepSummary("bronze", "run-1"),
        started=START,
        finished=START,
    )
    assert read_steps(pipeline_config(tmp_path), "run-1") == []
