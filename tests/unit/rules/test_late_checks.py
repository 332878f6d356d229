"""The watermark that would have let late rows in."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sluice.rules.late_checks import minutes_keeping


@given(st.lists(st.integers(1, 500), min_size=1), st.sampled_from([500, 990, 999]))
def test_it_is_the_shortest_that_keeps_the_share(
    late: list[int], per_mille: int
) -> None:
    """So many minutes are enough, and one fewer is not."""
    minutes = minutes_keeping(Counter(late), per_mille)

    def kept(longer: int) -> int:
        return sum(each <= longer for each in late) * 1000

    assert kept(minutes) >= per_mille * len(late)
    assert kept(minutes - 1) < per_mille * len(late)
