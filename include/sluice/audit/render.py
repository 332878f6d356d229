"""An audit for people: one page that needs nothing else, and rows for a table."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from sluice.audit.report import AuditReport
from sluice.visible import visible


def render_page(report: AuditReport) -> str:
    """Return the audit as one HTML page without scripts, fonts or pictures."""
    environment = Environment(
        loader=PackageLoader("sluice.audit", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) else value,
    )
    return environment.get_template("audit.html.j2").render(report=report)


def table_rows(report: AuditReport) -> list[dict[str, object]]:
    """Return the findings as rows for a terminal, the worst first."""
    return [
        {
            "severity": each.severity.value,
            "code": each.code,
            "subject": each.subject,
            "evidence": each.evidence,
            "remedy": each.remedy,
        }
        for each in report.findings
    ]
