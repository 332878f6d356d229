from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.model import LedgerFile
from sluice.source.clean.decide import Evidence, Outcome, stay_of
from sluice.source.clean.proof import Doubt, Proof, Verdict
from sluice.storage import FileStatus

NOW = datetime(2026, 1, 31, tzinfo=UTC)
FILE = LedgerFile(1, "/in/a.json", 3, NOW)
THERE = FileStatus(3, NOW)
PROVEN = Proof(1, NOW)


def outcome(
    found: FileStatus | None = THERE,
    own: Verdict | None = PROVEN,
    other: Verdict = PROVEN,
    cutoff: datetime = NOW,
) -> Outcome | None:
    """Return why the file stays, None where it goes."""
    evidence = Evidence(found=found, own=own, others={"other": other})
    stay = stay_of(FILE, evidence, cutoff)
    return stay.outcome if stay else None


def test_file_goes_that_everybody_has() -> None:
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


@pytest.mark.parametrize("doubt", Doubt)
def test_every_doubt_of_the_own_stream_keeps_the_file(doubt: Doubt) -> None:
    """Also that it skips the file: then the file is nobody's proof of anything."""
    assert outcome(own=doubt) in {Outcome.WAITING, Outcome.UNPROVEN}
    assert outcome(own=None) is Outcome.UNPROVEN


@pytest.mark.parametrize("doubt", set(Doubt) - {Doubt.SKIPPED})
def test_every_doubt_of_another_consumer_keeps_the_file(doubt: Doubt) -> None:
    """One that is likely to end by itself is told apart."""
    waits = doubt in {Doubt.NOT_DISCOVERED, Doubt.NOT_COMMITTED}
    assert outcome(other=doubt) is (Outcome.WAITING if waits else Outcome.UNPROVEN)


def test_consumer_that_never_reads_the_file_does_not_keep_it() -> None:
    """By its own options."""
    assert outcome(other=Doubt.SKIPPED) is None
