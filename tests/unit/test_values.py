from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.values import parse_bytes, parse_interval


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("1k", 1 << 10),
        ("512 MB", 512 << 20),
        ("10g", 10 << 30),
        ("1Tb", 1 << 40),
    ],
)
def test_bytes_have_units(text: str, expected: int) -> None:
    """Sizes are spelled as Auto Loader spells them."""
    assert parse_bytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("5 min", timedelta(minutes=5)),
        ("interval 2 hours", timedelta(hours=2)),
        ("1 Day", timedelta(days=1)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_interval_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    """Auto Loader spells them out, Spark's triggers are short."""
    assert parse_interval(text) == expected
