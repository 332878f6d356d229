"""``sluice replay``: what it refuses before it starts Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import ExitCode
from support.builders import PipelineBuilder, pipeline_config
from support.command_line import Sluice


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read ``a`` and discovered ``b``; its file lies by."""
    lake = tmp_path / "lake"
    (tmp_path / "orders.yaml").write_text(f"name: orders\nlake: {lake}\n")
    builder = PipelineBuilder(pipeline_config(lake))
    builder.land("a.json")
    builder.run_batch()
    builder.land("b.json")
    builder.discover()
    return builder


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], ExitCode.USAGE, "no file is named"),
        (["--since", "noon"], ExitCode.USAGE, "--since 'noon'"),
        (["--until", "noon"], ExitCode.USAGE, "--until 'noon'"),
        (
            ["--since", "2026-01-02", "--until", "2026-01-01"],
            ExitCode.USAGE,
            "--since before --until",
        ),
        (["--files", "c.json"], ExitCode.USAGE, "NOTHING_TO_REPLAY"),
        (["--files", "b.json"], ExitCode.TEMPORARY, "b.json: it has not been read yet"),
    ],
)
def test_exit_codes_say_what_to_do(
    sluice: Sluice,
    *,
    arguments: list[str],
    code: ExitCode,
    reason: str,
) -> None:
    """A wrong call is corrected, a file that waits is replayed later."""
    found, _, error = sluice("replay", "{pipeline}", *arguments)

    assert found == code
    assert reason in error
