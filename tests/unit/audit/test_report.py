"""From findings to a verdict, a page and a row."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from sluice.audit import AuditReport
from sluice.audit.render import render_page, table_rows
from sluice.errors import ExitCode
from sluice.model import Severity
from sluice.rules.findings import Code
from sluice.rules.found import finding
from sluice.rules.rule import Mend

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def report(*codes: Code, fail_on: str = "error") -> AuditReport:
    """Return a report with one finding of each code."""
    found = tuple(finding(code, "orders", "<b>a.json</b>", "2 rows") for code in codes)
    return AuditReport(
        pipeline="orders",
        audited_at=MOMENT,
        findings=found,
        counts={"landed files": 3},
        fail_on=fail_on,
    )


@pytest.mark.parametrize(
    ("codes", "verdict"),
    [
        ([], "ok"),
        ([Code.KEY_DUPLICATED], "ok"),
        ([Code.KEY_DUPLICATED, Code.FILE_QUARANTINED], "warning"),
        ([Code.ROWS_MISSING, Code.FILE_QUARANTINED], "error"),
    ],
)
def test_verdict_is_the_worst_finding(codes: list[Code], verdict: str) -> None:
    """What is only worth knowing leaves a pipeline well."""
    assert report(*codes).verdict == verdict


@pytest.mark.parametrize(
    ("code", "fail_on", "fails"),
    [
        (Code.ROWS_MISSING, "error", True),
        (Code.FILE_QUARANTINED, "error", False),
        (Code.FILE_QUARANTINED, "warning", True),
        (Code.KEY_DUPLICATED, "warning", False),
        (Code.KEY_DUPLICATED, "info", True),
    ],
)
def test_run_fails_from_the_severity_that_its_file_names(
    code: Code, fail_on: str, fails: bool
) -> None:
    """Some pipelines stop at the first bad file, others only where rows are wrong."""
    made = report(code, fail_on=fail_on)
    assert made.fails is fails
    assert made.exit_code is (ExitCode.DATA if fails else ExitCode.DONE)
    assert not report(fail_on=fail_on).fails


def test_every_code_has_a_rule() -> None:
    """A finding without explanation or remedy helps no reader."""
    assert all(code.value.explanation and code.value.remedy for code in Code)


def test_what_a_repair_mends_names_a_command_of_ours() -> None:
    """It is an error, for readers repair nothing after a warning."""
    mended = [code.value for code in Code if code.value.mend is not Mend.NOTHING]
    assert mended
    assert all(rule.remedy.startswith("sluice ") for rule in mended)
    assert {rule.severity for rule in mended} == {Severity.ERROR}


def test_json_has_the_promised_shape() -> None:
    """Others rely on these keys and words."""
    shape = json.loads(json.dumps(report(Code.ROWS_MISSING).to_json()))
    assert list(shape) == ["verdict", "findings"]
    (found,) = shape["findings"]
    assert set(found) == {
        "code",
        "severity",
        "subject",
        "evidence",
        "explanation",
        "remedy",
        "data_risk",
    }
    assert (found["severity"], found["data_risk"]) == ("error", "lost")


def test_page_needs_nothing_else_and_escapes_names() -> None:
    """It is opened from a disk, and file names come from strangers."""
    page = render_page(report(Code.ROWS_MISSING))
    assert "<b>a.json</b>" not in page.replace("<b>&lt;b&gt;", "")
    assert "&lt;b&gt;a.json&lt;/b&gt;" in page
    assert "ROWS_MISSING" in page
    assert "sluice replay orders" in page
    assert not any(word in page for word in ("<script", "http:", "https:", "<link"))


def test_page_of_a_healthy_pipeline_says_so() -> None:
    """An empty table could as well be a page that broke."""
    assert "All four sides agree" in render_page(report())


def test_remedy_names_pipeline_and_file() -> None:
    """It is there to be copied."""
    (row,) = table_rows(report(Code.ROWS_DUPLICATED))
    assert row["remedy"] == "sluice replay orders --files '<b>a.json</b>'"


def test_page_breaks_no_word_of_a_header_or_of_a_code() -> None:
    """A long value is broken anywhere, which makes its column narrower than a word."""
    page = render_page(report(Code.ROWS_DUPLICATED))
    rules = dict(re.findall(r"^([^{\n]+) \{ (.*) \}$", page, flags=re.MULTILINE))

    assert rules["th, .badge, td.code"] == "white-space: nowrap;"
    assert [each for each in rules if "anywhere" in rules[each]] == ["td"]
    assert '<td class="code"><code>ROWS_DUPLICATED</code>' in page
