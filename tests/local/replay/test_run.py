"""What a replay refuses before it starts Spark."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pytest

from sluice.errors import Condition, FatalError
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from support.builders import PipelineBuilder, pipeline_config


def test_a_pipeline_that_does_not_fit_together_is_mended_first(tmp_path: Path) -> None:
    """Which rows the table has is what the repair decides by."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_checkpoint_location)

    with pytest.raises(FatalError) as caught:
        run_replay(pipeline.config, Selection(globs=("*",)), run_id="replay")
    assert caught.value.condition is Condition.CHECKPOINT_LOST
