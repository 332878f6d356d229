from __future__ import annotations

import pytest

from sluice.values import parse_bytes


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
