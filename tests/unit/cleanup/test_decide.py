from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.cleanup.decide import Outcome, stay_of
from sluice.cleanup.proof import Committed, Unproven
from sluice.model import LedgerFile
from sluice.storage import FileStatus

NOW = datetime(2026, 1, 31, tzinfo=UTC)
FILE = LedgerFile(1, "/in/a.json", 3, NOW)
THERE = FileStatus(3, NOW)


def outcome(
    found: FileStatus | None = THERE,
    committed: Committed = NOW,
    cutoff: datetime = NOW,
) -> Outcome | None:
    """Return why the file stays, None where it goes."""
    stay = stay_of(FILE, found, committed, cutoff)
    return stay.outcome if stay else None


def test_file_goes_that_is_committed_for_long_enough() -> None:
    """The very moment of the cutoff is old enough."""
    assert outcome() is None
    assert outcome(cutoff=NOW - timedelta(microseconds=1)) is Outcome.WAITING


def test_file_that_is_gone_or_another_is_settled() -> None:
    """It will never again be the one that was read."""
    assert outcome(found=None) is Outcome.GONE
    assert outcome(found=FileStatus(4, NOW)) is Outcome.CHANGED
    assert outcome(found=FileStatus(3, NOW + timedelta(days=1))) is Outcome.CHANGED
    assert Outcome.GONE.is_final
    assert Outcome.CHANGED.is_final
    assert not Outcome.UNPROVEN.is_final


@pytest.mark.parametrize("reason", Unproven)
def test_every_file_that_is_not_proven_stays(reason: Unproven) -> None:
    """What a later run is likely to prove is counted apart."""
    waits = reason is Unproven.NOT_COMMITTED
    expected = Outcome.WAITING if waits else Outcome.UNPROVEN
    assert outcome(committed=reason) is expected
