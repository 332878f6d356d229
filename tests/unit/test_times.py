from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.times import parse_duration, parse_utc, spark_duration


@pytest.mark.parametrize("text", ["2025-01-01T02:00", "2025-01-01T04:00+02:00"])
def test_time_without_an_offset_is_utc(text: str) -> None:
    """A machine's own zone must not move an interval."""
    assert parse_utc(text) == datetime(2025, 1, 1, 2, tzinfo=UTC)


def test_what_is_no_time_is_refused() -> None:
    """Each caller says what was expected."""
    with pytest.raises(ValueError, match="isoformat"):
        parse_utc("yesterday")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("10 minutes", timedelta(minutes=10)),
        ("5 mins", timedelta(minutes=5)),
        ("1 minute", timedelta(minutes=1)),
        (" 2 HOURS ", timedelta(hours=2)),
        ("1 Day", timedelta(days=1)),
        ("2w", timedelta(weeks=2)),
        ("interval 1 day 12 hours", timedelta(hours=36)),
        ("0 seconds", timedelta()),
    ],
)
def test_duration_is_numbers_and_units(text: str, expected: timedelta) -> None:
    """Auto Loader and Spark spell them out, triggers are short."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "7", "minutes", "1 day x", "-1 day", "1.5 days", "one day", "1 month"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A month has no fixed length."""
    with pytest.raises(ValueError, match="a duration such as"):
        parse_duration(text)


def test_a_month_counts_as_its_longest() -> None:
    """Where it may be used, longer is safe."""
    assert parse_duration("2 months", months=True) == timedelta(days=62)
    assert parse_duration("1 year", months=True) == timedelta(days=366)


def test_spark_gets_the_long_names() -> None:
    """Its own parser knows no others."""
    assert spark_duration("Interval 1d 12h") == "1 days 12 hours"
