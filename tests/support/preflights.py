"""The preflight of a later run: what it finds, or why it refuses."""

from __future__ import annotations

import pytest

from sluice.errors import FatalError
from sluice.preflight.run import Preflight, preflight
from support.builders import (
    PipelineBuilder,
)


def check(pipeline: PipelineBuilder) -> Preflight:
    """Run the preflight of a later run."""
    return preflight(pipeline.config, run_id="run-2")


def refusal(pipeline: PipelineBuilder) -> FatalError:
    """Return the error with which the preflight refuses."""
    with pytest.raises(FatalError) as caught:
        check(pipeline)
    return caught.value
