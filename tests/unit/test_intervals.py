"""The interval of a backfill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import Condition, ExitCode, UsageError
from sluice.intervals import Interval, WindowGrid, join_intervals, parse_interval

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
    ("start", "end", "reason"),
    [
        ("noon", "2025-01-02", "'noon' is not ISO 8601"),
        ("2025-01-01", "", "'' is not ISO 8601"),
        ("2025-01-01", "2025-01-01", "is empty"),
        ("2025-01-02", "2025-01-01", "is empty"),
    ],
)
def test_an_interval_that_means_nothing_is_refused(start, end, reason):
    """Exit code 64: the command line is wrong."""
    with pytest.raises(UsageError) as caught:
        parse_interval(start, end)

    assert caught.value.condition is Condition.USAGE
    assert caught.value.exit_code is ExitCode.USAGE
    assert reason in caught.value.message


def minutes(*bounds: int) -> list[Interval]:
    """Return intervals from pairs of minutes after midnight."""
    pairs = zip(bounds[::2], bounds[1::2], strict=True)
    return [
        Interval(MIDNIGHT + timedelta(minutes=one), MIDNIGHT + timedelta(minutes=other))
        for one, other in pairs
    ]


@pytest.mark.parametrize(
    ("given", "at_most", "joined"),
    [
        ((0, 5, 10, 15), 9, (0, 5, 10, 15)),
        ((10, 15, 0, 5), 9, (0, 5, 10, 15)),
        ((0, 5, 5, 10), 9, (0, 10)),
        ((0, 20, 5, 10), 9, (0, 20)),
        ((0, 5, 10, 15, 30, 35), 2, (0, 15, 30, 35)),
        ((0, 5, 25, 30, 35, 40), 2, (0, 5, 25, 40)),
        ((0, 5, 25, 30, 35, 40), 1, (0, 40)),
        ((0, 5), 1, (0, 5)),
    ],
)
def test_intervals_are_joined_where_least_lies_between(given, at_most, joined):
    """A condition of thousands of intervals would be slower than the rows it saves."""
    assert join_intervals(minutes(*given), at_most=at_most) == minutes(*joined)


@pytest.mark.parametrize(
    ("intervals", "closed_up_to", "closed", "waiting"),
    [
        ((0, 5), 5, (0, 5), ()),
        ((0, 5), 4, (), (0, 5)),
        ((0, 15), 12, (0, 10), (10, 15)),
        ((0, 5, 10, 20), 15, (0, 5, 10, 15), (15, 20)),
        ((0, 5), 100, (0, 5), ()),
    ],
)
def test_windows_are_parted_by_the_watermark(
    intervals, closed_up_to: int, closed, waiting
) -> None:
    """A window is closed by the watermark at its end.

    0         5         10        15        20
    |---------|---------|---------|---------|
    closed up to 12: the windows of 0 and 5; that of 10 ends at 15.
    """
    closed_at = MIDNIGHT + timedelta(minutes=closed_up_to)
    five = timedelta(minutes=5)
    found = WindowGrid(five, five).split_closed(minutes(*intervals), closed_at)

    assert found == (minutes(*closed), minutes(*waiting))


@given(
    slide=st.integers(1, 7),
    longer=st.integers(0, 20),
    starts=st.frozensets(st.integers(-30, 30)),
    closed=st.integers(-200, 200),
)
def test_sliding_windows_are_covered_counted_and_parted_one_by_one(
    slide: int, longer: int, starts: frozenset[int], closed: int
) -> None:
    """Windows overlap, and each is still closed at its own end."""
    step = timedelta(minutes=slide)
    grid = WindowGrid(step + timedelta(minutes=longer), step)
    first = datetime(1970, 1, 1, tzinfo=UTC)
    windows = {first + number * step for number in starts}
    closed_at = first + timedelta(minutes=closed)

    held = grid.cover(windows)
    ended, waiting = grid.split_closed(held, closed_at)

    assert grid.count(held) == len(windows)
    assert in_order(ended, step) == sorted(
        each for each in windows if each + grid.duration <= closed_at
    )
    assert in_order(waiting, step) == sorted(
        each for each in windows if each + grid.duration > closed_at
    )


def in_order(intervals: list[Interval], step: timedelta) -> list[datetime]:
    """Return the starts of the windows that intervals hold."""
    return [
        each.start + number * step
        for each in intervals
        for number in range((each.end - each.start) // step)
    ]
