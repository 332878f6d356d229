"""Intervals of time in which windows start: what a backfill or a replay recomputes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec

from sluice.errors import Condition, UsageError
from sluice.times import parse_utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Interval(msgspec.Struct, frozen=True, array_like=True):
    """The windows that start in [start, end), which are in UTC."""

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


def join_intervals(
    intervals: Iterable[Interval], *, at_most: int | None = None
) -> list[Interval]:
    """Return intervals in order that cover the given ones, none touching another.

    Where there would be more than ``at_most``, those with the least between them become
    one: a condition in SQL must stay short, and what is recomputed besides comes out
    as bronze has it.
    """
    joined: list[Interval] = []
    for each in sorted(intervals, key=lambda one: one.start):
        if joined and each.start <= joined[-1].end:
            end = max(joined[-1].end, each.end)
            joined[-1] = Interval(joined[-1].start, end)
        else:
            joined.append(each)
    if at_most is None or len(joined) <= at_most:
        return joined
    gaps = [after.start - one.end for one, after in pairwise(joined)]
    widest = sorted(range(len(gaps)), key=lambda index: gaps[index], reverse=True)
    ends = [*sorted(widest[: at_most - 1]), len(joined) - 1]
    starts = [0, *(index + 1 for index in ends[:-1])]
    return [
        Interval(joined[first].start, joined[last].end)
        for first, last in zip(starts, ends, strict=True)
    ]


@dataclass(frozen=True)
class WindowGrid:
    """Windows of one ``duration`` that begin every ``slide``, from 1970 on as Spark's.

    The bounds of all intervals given to it are starts of windows.
    """

    duration: timedelta
    slide: timedelta

    def split_closed(
        self, intervals: Iterable[Interval], closed_up_to: datetime
    ) -> tuple[list[Interval], list[Interval]]:
        """Part windows by whether they end at or before ``closed_up_to``."""
        first_open = self.first_open(closed_up_to)
        closed, waiting = [], []
        for each in intervals:
            if each.start < first_open:
                closed.append(Interval(each.start, min(each.end, first_open)))
            if each.end > first_open:
                waiting.append(Interval(max(each.start, first_open), each.end))
        return closed, waiting

    def first_open(self, closed_up_to: datetime) -> datetime:
        """Return the start of the first window that ends after ``closed_up_to``."""
        passed = (closed_up_to - self.duration - _EPOCH) // self.slide
        return _EPOCH + (passed + 1) * self.slide

    def cover(self, starts: Iterable[datetime]) -> list[Interval]:
        """Return as few intervals as hold exactly the windows that begin at these."""
        return join_intervals(Interval(start, start + self.slide) for start in starts)

    def count(self, intervals: Iterable[Interval]) -> int:
        """Return how many windows start in ``intervals``."""
        return sum((each.end - each.start) // self.slide for each in intervals)


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
