"""After which range a new checkpoint begins: the decision alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.checkpoint.pending import Missing
from sluice.errors import Condition, FatalError
from sluice.model import CHAIN_START
from sluice.repair.plan import (
    Adoption,
    HeldFile,
    HeldRange,
    plan_adoption,
    require_whole,
)

Row = tuple[int, int | None]


def ranges(
    *batches: Sequence[Row], committed: int = 0, one: bool = True
) -> list[HeldRange]:
    """Return ranges of files, given as (rows in the table, rows expected)."""
    found, seq = [], 0
    for number, files in enumerate(batches):
        held = [
            HeldFile(seq=seq + place, path=f"{seq + place}", rows=rows, expected=wanted)
            for place, (rows, wanted) in enumerate(files, 1)
        ]
        seq += len(held)
        done = number < committed
        found.append(HeldRange(seq, tuple(held), done, done, one))
    return found


def seqs(files: Sequence[HeldFile]) -> list[int]:
    """Return the seqs of files."""
    return [file.seq for file in files]


def test_nothing_held_begins_at_the_start() -> None:
    """An empty table has all its files read again."""
    adoption = plan_adoption(ranges([(0, 3)], [(0, 3)], committed=2), None)

    assert adoption.end == CHAIN_START
    assert seqs(adoption.reread) == [1, 2]


def test_new_query_begins_after_the_last_rows() -> None:
    """What comes after them was taken back, or never committed."""
    held = ranges([(3, 3), (2, None)], [(3, 3)], [(0, 3)], [(0, None)], committed=3)

    adoption = plan_adoption(held, None)

    assert adoption == Adoption(end=3, reread=held[2].files, gone=(), partial=())


@pytest.mark.parametrize(
    ("batch", "gone", "partial"),
    [
        ([(0, 3), (3, 3)], [1], []),
        ([(2, 3), (3, 3)], [], [1]),
        ([(6, 3), (3, 3)], [], [1]),
        ([(0, None), (3, 3)], [], []),
        ([(0, 0), (3, 3)], [], []),
    ],
)
def test_files_that_are_not_whole_are_reported(
    batch: list[Row], gone: list[int], partial: list[int]
) -> None:
    """A file whose rows were not counted shares the fate of its micro-batch."""
    adoption = plan_adoption(ranges(batch), None)

    assert (seqs(adoption.gone), seqs(adoption.partial)) == (gone, partial)


def test_range_of_many_commits_shares_no_fate() -> None:
    """The first range of a rebuilt ledger may be held in part."""
    held = ranges([(0, None), (3, 3)], one=False)

    assert seqs(plan_adoption(held, None).gone) == [1]


def test_range_without_rows_before_others_is_gone() -> None:
    """Whole ranges in the middle are taken by a DELETE."""
    held = ranges([(0, None)], [(3, 3)], committed=2)

    assert seqs(plan_adoption(held, None).gone) == [1]


@pytest.mark.parametrize(("missing", "end"), [(None, 1), ("skip", 2)])
def test_rows_that_are_gone_come_again_unless_skipped(
    missing: Missing | None, end: int
) -> None:
    """What was never committed is read in any case."""
    held = ranges([(3, 3)], [(0, 3)], [(0, None)], committed=2)

    assert plan_adoption(held, missing).end == end


def test_parts_are_refused_unless_skipped() -> None:
    """The message names the files and the ways out."""
    adoption = plan_adoption(ranges([(2, 3)]), None)

    with pytest.raises(FatalError) as caught:
        require_whole(adoption, "orders", None)

    assert caught.value.condition is Condition.REPAIR_IMPOSSIBLE
    assert "'1' (2 of 3 rows)" in caught.value.message
    require_whole(adoption, "orders", "skip")


_FILE = st.sampled_from([(0, 0), (0, 3), (0, None), (3, 3), (3, None)])
_RANGES = st.lists(st.lists(_FILE, min_size=1, max_size=3), max_size=5)


@given(_RANGES, st.integers(0, 5))
def test_no_row_is_left_behind_and_none_comes_twice(
    batches: list[list[Row]], committed: int
) -> None:
    """Files after the end have no rows; those before have theirs or are reported."""
    held = ranges(*batches, committed=committed)

    adoption = plan_adoption(held, None)

    files = [file for each in held for file in each.files]
    assert not any(file.rows for file in files if file.seq > adoption.end)
    reported_gone = {file.seq for file in adoption.gone}
    for each in held:
        lost = [f for f in each.files if f.expected and not f.rows]
        if each.end <= adoption.end:
            assert {file.seq for file in lost} <= reported_gone
