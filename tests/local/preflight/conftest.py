"""A pipeline that every test of the preflight begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.builders import (
    PipelineBuilder,
    pipeline_config,
)


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with nothing landed yet."""
    return PipelineBuilder(pipeline_config(tmp_path))
