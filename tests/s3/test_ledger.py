"""The ledger in a bucket: who comes second in a race starts again, on S3 too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sluice.ledger.events import EventKind, LedgerEvent
from sluice.ledger.ledger import Ledger
from sluice.model import SeqRange
from support.racing import RACERS, check_racing_discoverers, together

pytestmark = [pytest.mark.needs_s3, pytest.mark.timeout(900)]

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_racing_discoverers_double_nothing(bucket: str) -> None:
    """Two processes make the ledger and enter the same files in the same moment."""
    check_racing_discoverers(bucket)


def test_racing_claims_have_one_end(bucket: str) -> None:
    """Of many drivers that plan from one start in one moment, one decides for all."""
    ledger = Ledger.open_or_create(bucket)

    ends = together(lambda n: ledger.claim(SeqRange(-1, n + 1), run_id=str(n)))

    assert set(ends) == {ledger.claimed_end(-1)}
    assert len(ledger.claims()) == 1


def test_racing_events_are_all_kept(bucket: str) -> None:
    """Events never conflict, even where two processes make their table."""
    ledger = Ledger.open_or_create(bucket)

    def append(racer: int) -> None:
        event = LedgerEvent(
            kind=EventKind.REPLAYED,
            seq=racer,
            path=f"{bucket}/{racer}",
            detail="",
            run_id="1",
            at=NOW,
        )
        ledger.append_events([event])

    together(append)

    assert {event.seq for event in ledger.events()} == set(range(RACERS))
