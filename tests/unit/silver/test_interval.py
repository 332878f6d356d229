"""The interval of a backfill."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sluice.errors import Condition, ExitCode, UsageError
from sluice.silver.interval import parse_interval

MIDNIGHT = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-01T00:00:00Z",
        "2025-01-01",
        "2025-01-01 00:00",
        "2025-01-01T02:00+02:00",
    ],
)
def test_a_time_without_a_zone_is_utc(text):
    """Everything here is UTC; a time that says otherwise is converted."""
    assert parse_interval(text, "2025-01-02").start == MIDNIGHT


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        ("noon", "2025-01-02", "'noon' is not ISO 8601"),
        ("2025-01-01", "", "'' is not ISO 8601"),
        ("2025-01-01", "2025-01-01", "is empty"),
        ("2025-01-02", "2025-01-01", "is empty"),
    ],
)
def test_an_interval_that_means_nothing_is_refused(start, end, told):
    """Exit code 64: the command line is wrong."""
    with pytest.raises(UsageError) as caught:
        parse_interval(start, end)

    assert caught.value.condition is Condition.USAGE
    assert caught.value.exit_code is ExitCode.USAGE
    assert told in caught.value.message
