"""The command ``sluice`` on the pipeline of a file of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.builders import PipelineBuilder
from support.command_line import Sluice, command_line


@pytest.fixture
def sluice(
    pipeline: PipelineBuilder,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Sluice:
    """Return the command; ``{pipeline}`` is the pipeline's file, beside its lake."""
    file = Path(pipeline.config.lake).with_name("orders.yaml")
    call = command_line(capsys, monkeypatch)
    return lambda *given: call(*(each.format(pipeline=file) for each in given))
