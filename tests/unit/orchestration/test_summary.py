"""What a person reads at the end of a run."""

from __future__ import annotations

from sluice.config import load_pipeline
from sluice.model import StepSummary
from sluice.orchestration.summary import describe_counts, summary_rows


def test_counts_are_spelled_for_people():
    """Names come from the steps, so a new count needs no change here."""
    counts = {"files": 12, "late_rows": 1_200, "windows_emitted": 0}
    assert describe_counts(counts) == "12 files · 1,200 late rows · 0 windows emitted"


def test_summary_names_what_was_done_where_it_is_and_what_comes_next(monkeypatch):
    """A newcomer sees nothing else of the run."""
    monkeypatch.setenv("SLUICE_LAKE", "/lake")
    steps = [
        StepSummary("bronze", "a run", {"files": 12}),
        StepSummary("silver", "a run", {"late_rows": 3}, ("3 rows came late",)),
    ]
    rows = summary_rows(load_pipeline("orders"), steps, verdict="ok")
    found = dict(rows)
    assert found["bronze"] == "12 files"
    assert found["silver"] == "3 late rows"
    assert found["note"] == "3 rows came late"
    assert found["audit"] == "ok"
    assert found["table bronze"] == "/lake/bronze/orders"
    assert found["report"] == "/lake/reports/orders/audit.html"
    assert "make run" in found["next"]
