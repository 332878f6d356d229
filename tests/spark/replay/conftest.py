"""A table of two files."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.builders import (
    PipelineBuilder,
)
from support.replays import DDL, declared


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline whose table has three rows of ``a`` and of ``b`` each."""
    builder = declared(tmp_path, DDL)
    builder.land("a.json")
    builder.land("b.json")
    builder.run_batch()
    return builder
