"""Late rows by the watermark that would have let them in; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sluice.model import Finding
from sluice.rules.facts import AuditFacts, LateFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding

_SHARES = {"99 %": 990, "99.9 %": 999}


def check_late(facts: AuditFacts) -> Iterator[Finding]:
    """Yield, of each silver table with late rows, the watermark that keeps most."""
    for table, late in facts.late.items():
        rows = sum(late.by_minutes.values())
        if rows:
            yield finding(Code.ROWS_LATE, facts.pipeline, table, _describe(late, rows))


def minutes_keeping(by_minutes: Mapping[int, int], per_mille: int) -> int:
    """Return the watermark that lets in at least so many of a thousand rows."""
    wanted = sum(by_minutes.values()) * per_mille
    kept = 0
    for minutes in sorted(by_minutes):
        kept += by_minutes[minutes] * 1000
        if kept >= wanted:
            return minutes
    return 0


def _describe(late: LateFacts, rows: int) -> str:
    kept = [
        f"{minutes_keeping(late.by_minutes, share)} minutes would have kept {name}"
        for name, share in _SHARES.items()
    ]
    return (
        f"{rows} rows of the last {late.days} days came behind the watermark, which is "
        f"{late.watermark}; {', '.join(kept)}"
    )
