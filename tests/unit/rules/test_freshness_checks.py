"""How old the newest loaded file may be, from facts that are made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.model import Finding, LedgerFile
from sluice.pipeline import LandedFiles, Query
from sluice.rules.checks import check_facts
from sluice.rules.facts import (
    AuditedQuery,
    AuditFacts,
    FreshnessFacts,
    LedgerFacts,
    Written,
)

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
LIMIT = timedelta(hours=2)


def stale(*ages: timedelta, loaded: int, limit: timedelta | None = LIMIT) -> list[str]:
    """Return the evidence where of files of these ages the first are loaded."""
    files = tuple(
        LedgerFile(seq, f"/in/{seq}", 1, NOON - age)
        for seq, age in enumerate(ages, start=1)
    )
    facts = AuditFacts(
        pipeline="orders",
        landing_location="/in",
        landing={},
        ledger=LedgerFacts(
            ledger_id="ledger",
            files=files,
            claims=(),
            quarantined={},
            looked_at=None,
            written={file.seq: Written(1, 0) for file in files[:loaded]},
        ),
        bronze=AuditedQuery(
            query=Query("bronze", "/checkpoint", "/bronze", LandedFiles("/schemas"))
        ),
        table_rows={},
        freshness=FreshnessFacts(limit, NOON) if limit else None,
    )
    found: list[Finding] = check_facts(facts)
    return [each.evidence for each in found if each.code == "DATA_STALE"]


@pytest.mark.parametrize(("over", "found"), [(0, 0), (1, 1)])
def test_the_newest_may_be_as_old_as_the_limit(over: int, found: int) -> None:
    """At the limit it is fresh and a second later not; older files do not matter."""
    newest = LIMIT + timedelta(seconds=over)
    assert len(stale(newest, timedelta(days=9), loaded=2)) == found


def test_what_is_not_loaded_is_no_news() -> None:
    """A file that waits does not make the table fresh; the loaded one is named."""
    (evidence,) = stale(timedelta(hours=3), timedelta(0), loaded=1)
    assert "/in/1" in evidence
    assert "09:00:00" in evidence


def test_nothing_loaded_is_stale() -> None:
    """A pipeline that never loaded a file does not keep the promise either."""
    (evidence,) = stale(timedelta(0), loaded=0)
    assert "no file is loaded" in evidence


def test_without_a_limit_nothing_is_stale() -> None:
    """The rule is off until it is asked for."""
    assert not stale(timedelta(days=9), loaded=1, limit=None)
