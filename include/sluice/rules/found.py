"""A finding of a case: what its code says, with the names of the case in the remedy."""

from __future__ import annotations

import shlex

from sluice.model import DataRisk, Finding, Severity
from sluice.rules.findings import Code
from sluice.visible import shell_glob


def finding(  # noqa: PLR0913 - the last two only where a case differs from its rule
    code: Code,
    pipeline: str,
    subject: str,
    evidence: str,
    *,
    severity: Severity | None = None,
    data_risk: DataRisk | None = None,
) -> Finding:
    """Return a finding of ``code``; severity and risk only where this case differs."""
    rule = code.value
    return Finding(
        code=code.name,
        severity=severity or rule.severity,
        subject=subject,
        evidence=evidence,
        explanation=rule.explanation,
        remedy=rule.remedy.format(
            pipeline=pipeline, subject=shlex.quote(subject), glob=shell_glob(subject)
        ),
        data_risk=data_risk or rule.data_risk,
    )
