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


@pytest.mark.parametrize("text", ["1048576t", str((1 << 63) - 1), "00001"])
def test_bytes_at_the_bound(text: str) -> None:
    """Systems count bytes in 63 bits."""
    assert parse_bytes(text) < 1 << 63


@pytest.mark.parametrize("text", ["8388608t", str(1 << 63), "9" * 5_000])
def test_bytes_beyond_the_bound_are_refused(text: str) -> None:
    """With the bound, however many digits there are."""
    with pytest.raises(ValueError, match="at most 9223372036854775807 bytes"):
        parse_bytes(text)


@pytest.mark.parametrize("text", ["0", "000k", "-1", "1.5g", "\u0661", "g"])
def test_what_is_no_number_of_bytes(text: str) -> None:
    """It is refused with what was expected."""
    with pytest.raises(ValueError, match="a number of bytes such as"):
        parse_bytes(text)
