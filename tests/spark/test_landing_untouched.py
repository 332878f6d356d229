"""Spark reads a landing folder that is read-only, and leaves it as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.run import run_pipeline
from support.builders import PipelineBuilder, pipeline_config
from support.tree import untouched

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]


def test_run_and_replay_leave_the_landing_folder_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also a schema that is inferred from what landed."""
    landing = tmp_path / "landing"
    source = {"path": str(landing)}
    config = pipeline_config(tmp_path / "lake", bronze={"source": source})
    pipeline = PipelineBuilder(config)
    pipeline.land("a.json")
    with untouched(landing):
        done = run_pipeline(config, run_id="run-1")
        assert done.audit
        assert done.audit.verdict == "ok"
        replayed = run_replay(config, Selection(globs=("a.json",)), run_id="replay")
    assert replayed.counts["rows_in"] == 3
    assert not [each for each in caplog.messages if str(landing) in each]
