"""The interval of a backfill: windows whose start lies in [start, end)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sluice.errors import Condition, UsageError
from sluice.times import parse_utc


@dataclass(frozen=True)
class Interval:
    """A window belongs to the interval in which it starts; both bounds are in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        naive = [each for each in (self.start, self.end) if each.tzinfo is None]
        if naive:
            raise UsageError(
                Condition.USAGE,
                f"interval [{self.start}, {self.end}) has bounds without a time zone; "
                "give times such as 2025-01-01T00:00:00Z",
            )
        if self.start >= self.end:
            raise UsageError(
                Condition.USAGE,
                f"interval [{self.start}, {self.end}) is empty; "
                "expected a start before its end",
            )


def parse_interval(start: str, end: str) -> Interval:
    """Parse two ISO 8601 times; one without a zone is UTC.

    Raises:
        UsageError: one is no time, or the interval is empty.
    """
    return Interval(_parse_time(start), _parse_time(end))


def _parse_time(text: str) -> datetime:
    try:
        return parse_utc(text).astimezone(UTC)
    except ValueError:
        raise UsageError(
            Condition.USAGE,
            f"time {text!r} is not ISO 8601; expected one such as 2025-01-01T00:00:00Z",
            {"time": text},
        ) from None
