from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sluice.times import parse_utc


@pytest.mark.parametrize("text", ["2025-01-01T02:00", "2025-01-01T04:00+02:00"])
def test_time_without_an_offset_is_utc(text: str) -> None:
    """A machine's own zone must not move an interval."""
    assert parse_utc(text) == datetime(2025, 1, 1, 2, tzinfo=UTC)


def test_what_is_no_time_is_refused() -> None:
    """Each caller tells its user what was expected."""
    with pytest.raises(ValueError, match="isoformat"):
        parse_utc("yesterday")
