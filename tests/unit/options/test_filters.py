from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.model import FileVersion
from sluice.options.filters import AgeRules, group_by_age

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def group_of(modified: datetime, **rules: object) -> str:
    """Return the group that a file of that time falls into."""
    groups = group_by_age([FileVersion("a", 1, modified)], AgeRules(**rules), NOW)
    (found,) = (name for name, files in vars(groups).items() if files)
    return found


@pytest.mark.parametrize(
    ("offset", "rule", "expected"),
    [
        (-SECOND, "modified_after", "outside"),
        (0 * SECOND, "modified_after", "outside"),
        (SECOND, "modified_after", "taken"),
        (-SECOND, "modified_before", "taken"),
        (0 * SECOND, "modified_before", "outside"),
        (SECOND, "modified_before", "outside"),
    ],
)
def test_both_ends_are_exclusive(offset: timedelta, rule: str, expected: str) -> None:
    """As in Spark's own file source, whose options these are."""
    bound = NOW - timedelta(days=1)

    assert group_of(bound + offset, **{rule: bound}) == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), "waiting"),
        (29 * SECOND, "waiting"),
        (30 * SECOND, "taken"),
        (-29 * SECOND, "waiting"),
        (timedelta(days=-40), "taken"),
    ],
)
def test_young_file_waits(age: timedelta, expected: str) -> None:
    """One dated far ahead would wait for weeks, and its time proves nothing."""
    assert group_of(NOW - age, min_age=30 * SECOND) == expected


def test_without_rules_every_file_is_taken() -> None:
    """Times exclude nothing unless an option asks for it."""
    for days in (-4000, 0, 4000):
        assert group_of(NOW + timedelta(days=days)) == "taken"
