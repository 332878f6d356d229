"""The commands that print facts: files, batches, audit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.builders import PipelineBuilder, pipeline_config
from support.command_line import Sluice

_PIPELINE = """
name: orders
lake: {lake}
bronze: {{unique_key: [order_id]}}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with one batch, and its file beside the lake."""
    (tmp_path / "orders.yaml").write_text(_PIPELINE.format(lake=tmp_path / "lake"))
    pipeline = PipelineBuilder(pipeline_config(tmp_path / "lake"))
    pipeline.land("a.json", rows=2)
    pipeline.run_batch()
    return pipeline


def test_files_are_listed_as_json(sluice: Sluice) -> None:
    """Programs read this."""
    code, out, _ = sluice("files", "{pipeline}", "--json")
    (row,) = json.loads(out)
    assert (code, row["state"], row["rows"]) == (0, "ingested", 2)
    assert row["modified_at"].endswith("Z")


def test_files_are_filtered_by_state(
    sluice: Sluice,
) -> None:
    """A state of two words may be typed as one."""
    _, out, _ = sluice("files", "{pipeline}", "--state", "in-flight", "--json")
    assert json.loads(out) == []


def test_unknown_state_is_a_usage_error(
    sluice: Sluice,
) -> None:
    """The known ones are named."""
    code, _, err = sluice("files", "{pipeline}", "--state", "bogus")
    assert code == 64
    assert "quarantined" in err


def test_files_are_filtered_by_name_and_number(
    pipeline: PipelineBuilder, sluice: Sluice
) -> None:
    """The newest are what a user looks for."""
    for name in ("b.json", "c.csv"):
        pipeline.land(name)
        pipeline.discover()
    _, out, _ = sluice("files", "{pipeline}", "--path", "*.json", "--limit", "1")
    assert "b.json" in out
    assert "a.json" not in out
    assert sluice("files", "{pipeline}", "--limit", "0")[0] == 64


def test_batches_of_a_pipeline_and_of_a_checkpoint(
    pipeline: PipelineBuilder, sluice: Sluice
) -> None:
    """The checkpoint alone gives the offsets, the pipeline rows and version too."""
    _, out, _ = sluice("batches", "{pipeline}", "--json")
    assert json.loads(out)[0]["rows"] == 2
    location = str(pipeline.bronze.location)
    _, out, _ = sluice("batches", location, "--json")
    assert json.loads(out)[0]["rows"] is None
    _, out, _ = sluice("batches", location)
    assert "seq 1" in out


def test_audit_of_a_healthy_pipeline_exits_0(
    sluice: Sluice,
) -> None:
    """The page is named for people."""
    code, out, _ = sluice("audit", "{pipeline}")
    assert code == 0
    assert "verdict: ok" in out
    assert "audit.html" in out.replace("\n", "")


def test_audit_of_a_bare_checkpoint(pipeline: PipelineBuilder, sluice: Sluice) -> None:
    """Any query's checkpoint can be checked, and better with its table."""
    location, table = str(pipeline.bronze.location), pipeline.config.bronze_location
    assert sluice("audit", location)[0] == 0
    assert sluice("audit", location, "--table", table)[0] == 0
    pipeline.bronze.plan(1, pipeline.offset(2))
    pipeline.bronze.commit(1)
    assert sluice("audit", location)[0] == 0
    code, out, _ = sluice("audit", location, "--table", table, "--json")
    assert code == 65
    assert json.loads(out)["findings"][0]["code"] == "TRANSACTION_MISSING"
    code, _, err = sluice("audit", location, "--full")
    assert code == 64
    assert "--full counts landed files" in err


def test_audit_of_a_folder_that_is_no_checkpoint_is_refused(
    tmp_path: Path, sluice: Sluice
) -> None:
    """An empty folder has no finding, which must not read as ok."""
    (tmp_path / "empty").mkdir()
    assert sluice("audit", str(tmp_path / "empty"))[0] == 64


def test_audit_of_a_damaged_pipeline_exits_65(
    pipeline: PipelineBuilder, sluice: Sluice
) -> None:
    """A caller must not need to read text to know."""
    pipeline.write_rows([f"{pipeline.config.landing_location}/a.json"])
    code, out, _ = sluice("audit", "{pipeline}", "--json")
    assert code == 65
    assert json.loads(out)["verdict"] == "error"
