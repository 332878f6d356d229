"""The command that repairs: what it prints, and that it asks first."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from shutil import rmtree

import pytest

from support.builders import PipelineBuilder, pipeline_config
from support.command_line import Sluice


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with one batch whose checkpoint is lost."""
    file = tmp_path / "orders.yaml"
    file.write_text(f"name: orders\nlake: {tmp_path / 'lake'}\n")
    pipeline = PipelineBuilder(pipeline_config(tmp_path / "lake"))
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.bronze.location)
    return pipeline


def test_dry_run_prints_faults_and_steps(
    sluice: Sluice, pipeline: PipelineBuilder
) -> None:
    """And does nothing."""
    code, out, _ = sluice("checkpoint", "repair", "{pipeline}", "--dry-run")

    assert code == 0
    assert "wrong: checkpoint" in out
    assert "then: the table holds the files up to seq 1" in out
    assert "step: write checkpoint" in out
    assert not pipeline.bronze.location.exists()


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_repair_asks_first(
    sluice: Sluice,
    pipeline: PipelineBuilder,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    """A mistyped command replaces no checkpoint."""
    monkeypatch.setattr("sys.stdin", StringIO(answer))
    code, _, error = sluice("checkpoint", "repair", "{pipeline}")

    assert (code, "give --yes" in error) == (64, True)
    assert not pipeline.bronze.location.exists()


def test_repair_with_yes_mends(sluice: Sluice, pipeline: PipelineBuilder) -> None:
    """For a program, what was wrong and done is JSON."""
    code, out, _ = sluice("checkpoint", "repair", "{pipeline}", "--yes", "--json")
    again, then, _ = sluice("checkpoint", "repair", "{pipeline}", "--yes")

    printed = json.loads(out)
    assert (code, again) == (0, 0)
    assert printed["taken"] == printed["steps"]
    assert len(printed["faults"]) == 1
    assert "nothing to repair" in then
    assert (pipeline.bronze.location / "metadata").exists()


def test_ledger_is_rebuilt(sluice: Sluice, pipeline: PipelineBuilder) -> None:
    """By the same command, which says so."""
    rmtree(pipeline.config.schema_location)

    code, out, _ = sluice("checkpoint", "repair", "{pipeline}", "--yes")

    assert code == 0
    assert "wrong: there is no ledger under" in out
    assert "the new ledger begins with 1 files" in out
    assert pipeline.ledger.high_seq() == 1


def test_choices_exclude_each_other(sluice: Sluice) -> None:
    """Rows come again or they do not."""
    code, _, error = sluice("checkpoint", "repair", "{pipeline}", "--reread", "--skip")

    assert code == 64
    assert "--reread and --skip" in error
