"""The windows of a replay, as intervals and as counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sluice.replay.result import describe_windows
from support.builders import pipeline_config

CONFIG = pipeline_config(Path("/lake"), silver=True)
(SILVER,) = CONFIG.silver
START = datetime(2026, 1, 1, tzinfo=UTC)
FIVE = timedelta(minutes=5)


@given(st.frozensets(st.integers(0, 40)))
def test_intervals_hold_exactly_the_windows_and_never_touch(
    numbers: frozenset[int],
) -> None:
    """Whatever windows there are: none is lost, none comes in; they are few."""
    starts = frozenset(START + number * FIVE for number in numbers)
    found = SILVER.window.grid.cover(starts)

    held = {
        each.start + number * FIVE
        for each in found
        for number in range((each.end - each.start) // FIVE)
    }
    assert held == starts
    assert all(one.end < after.start for one, after in pairwise(found))


def test_windows_are_open_until_the_watermark_passes_their_end() -> None:
    """0, 5 and 10 with a watermark at 10: the window that begins at 10 is open."""
    starts = frozenset(START + number * FIVE for number in range(3))
    (found,) = describe_windows(
        CONFIG, {"windows": starts}, {"windows": START + 2 * FIVE}
    )

    assert (found.table, found.windows, found.windows_open) == ("windows", 3, 1)
