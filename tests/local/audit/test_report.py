"""What an audit leaves: a page, a row and commands to copy."""

from __future__ import annotations

from pathlib import Path

from sluice.audit import run_audit
from sluice.config import load_pipeline
from support.builders import PipelineBuilder, pipeline_config
from support.delta_rows import read_delta


def test_remedy_is_a_command_that_finds_the_pipeline(tmp_path: Path) -> None:
    """One whose file lies elsewhere has no name that leads there."""
    path = tmp_path / "my files" / "orders.yaml"
    path.parent.mkdir()
    path.write_text(f"name: orders\nlake: {tmp_path}/lake\n", encoding="utf-8")

    findings = run_audit(load_pipeline(str(path))).findings

    remedies = {each.code: each.remedy for each in findings}
    assert remedies["NOTHING_YET"] == f"sluice run '{path}'"


def test_audit_leaves_a_page_and_a_row(tmp_path: Path) -> None:
    """The verdicts of all runs can be read back."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json", rows=4)
    pipeline.run_batch()
    made = run_audit(pipeline.config)
    assert (made.verdict, made.findings) == ("ok", ())
    assert made.counts["landed records"] == made.counts["bronze rows"] == 4
    page = Path(pipeline.config.reports_location, "audit.html")
    assert "All four sides agree" in page.read_text()
    audits = read_delta(pipeline.config.ops_location("audits"))
    assert audits["verdict"].to_pylist() == ["ok"]
