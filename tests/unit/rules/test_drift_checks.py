"""How many rows an hour may bring, from facts that are made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.model import LedgerFile
from sluice.pipeline import LandedFiles, Query
from sluice.rules.checks import check_facts
from sluice.rules.facts import (
    AuditedQuery,
    AuditFacts,
    DriftFacts,
    LedgerFacts,
    Written,
)

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
REST = "no file"


def drifted(
    *rows: int | str | None, waits: timedelta | None = None, hours: int = 24
) -> list[str]:
    """Return the evidence where full hours had ``rows``, the newest first.

    Each is one file from the last second of its hour, but for hours that are ``REST``;
    it is ten to one in the day.
    """
    moments = [
        NOON - number * HOUR - timedelta(seconds=1) for number in range(len(rows))
    ]
    moments += [NOON - waits] if waits is not None else []
    files = tuple(
        LedgerFile(seq, f"/in/{seq}", 1, moment)
        for seq, moment in enumerate(moments)
        if seq >= len(rows) or rows[seq] != REST
    )
    written = {
        seq: Written(count, 0) for seq, count in enumerate(rows) if count != REST
    }
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
            written=written,
        ),
        bronze=AuditedQuery(
            query=Query("bronze", "/checkpoint", "/bronze", LandedFiles("/schemas"))
        ),
        table_rows={},
        drift=DriftFacts(hours, 0.5, 2.0, NOON + timedelta(minutes=50)),
    )
    found = check_facts(facts)
    return [each.evidence for each in found if each.code == "ROWS_DRIFTED"]


@pytest.mark.parametrize(("newest", "found"), [(50, 0), (49, 1), (200, 0), (201, 1)])
def test_an_hour_may_be_half_or_twice_the_median(newest: int, found: int) -> None:
    """One night's load among the hours before moves the median little."""
    assert len(drifted(newest, 100, 90, 110, 100, 9000)) == found


def test_the_hours_are_as_many_as_asked_for() -> None:
    """Those before them may have been others, and the evidence says all of it."""
    assert not drifted(10, 10, 10, 10, 900, 900, 900, 900, hours=3)
    (evidence,) = drifted(10, 10, 10, 10, 900, 900, 900, 900, hours=7)
    assert "from 2025-01-01T11:00+00:00 10 rows" in evidence
    assert "the 7 hours with files before is 900" in evidence


def test_an_hour_of_empty_files_drifts() -> None:
    """All that landed before is as usual."""
    assert len(drifted(0, 100, 100, 100)) == 1


def test_of_two_hours_before_nothing_is_said() -> None:
    """A pipeline that begins is no drift; nor is an hour that was not counted."""
    assert not drifted(1, 100, 100)
    assert not drifted(1, 100, 100, None)
    assert not drifted(None, 100, 100, 100)


def test_an_hour_with_a_file_that_waits_is_not_judged() -> None:
    """Its rows come with the next run. One of this hour, which runs, is no matter."""
    assert not drifted(1, 100, 100, 100, waits=timedelta(minutes=1))
    assert drifted(1, 100, 100, 100, waits=timedelta(minutes=-10))


def test_a_table_may_rest_at_night() -> None:
    """In the morning and in the evening, by day and by night: the day is as usual."""
    day, night = [100] * 10, [REST] * 14
    always = (night + day) * 3
    for begun in range(24):
        assert not drifted(*always[begun:])
    (evidence,) = drifted(10, *night, *day)
    assert "the 10 hours with files before is 100" in evidence
    assert drifted(10, *day[1:], *night)
    assert not drifted(10, 100, 100, *[REST] * 22, 100)
