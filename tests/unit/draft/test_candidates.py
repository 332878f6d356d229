"""Which columns may be a key, or the time of events."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from sluice.draft.candidates import key_candidates, time_candidates


def test_keys_are_there_in_each_row_and_differ() -> None:
    """Neither numbers with fractions nor times are keys."""
    rows = pa.table(
        {
            "id": [1, 2],
            "reference": ["a", "b"],
            "twice": ["a", "a"],
            "gap": ["a", None],
            "amount": [1.5, 2.5],
            "day": ["2026-01-01", "2026-01-02"],
        }
    )
    assert key_candidates(rows) == ["id", "reference"]


def test_one_row_says_nothing_of_keys() -> None:
    """All its columns would be one."""
    assert key_candidates(pa.table({"id": [1]})) == []


def test_times_have_the_first_pattern_that_reads_all_of_them() -> None:
    """A column of times needs none; an empty column is no time."""
    rows = pa.table(
        {
            "at": [datetime(2026, 1, 1, tzinfo=UTC), None],
            "text": ["2026-01-01 10:00:00", None],
            "zoned": ["2026-01-01T10:00:00+01:00", "2026-01-01T10:00:00Z"],
            "day": ["01.02.2026", "13.02.2026"],
            "mixed": ["2026-01-01", "soon"],
            "none": pa.array([None, None], pa.string()),
            "id": [1, 2],
        }
    )
    assert time_candidates(rows) == [
        ("at", None),
        ("text", "yyyy-MM-dd HH:mm:ss"),
        ("zoned", "yyyy-MM-dd'T'HH:mm:ssXXX"),
        ("day", "dd.MM.yyyy"),
    ]
