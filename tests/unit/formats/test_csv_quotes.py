"""CSV cells in which more follows a quote that seems to close them."""

from __future__ import annotations

import pytest

from sluice.errors import UsageError
from sluice.formats.streams import BadFileError
from support.csv_rows import csv_format, parse, texts

CUT_BACK, CLOSED = "BACK_TO_DELIMITER", "STOP_AT_CLOSING_QUOTE"
SKIPPED = "skip_value"


@pytest.mark.parametrize(
    ("handling", "line", "expected"),
    [
        (CLOSED, '"a"b,c"', ('a"b,c', None, None)),
        (CLOSED, '"a,b" c,d",e', ('a,b" c,d', "e", None)),
        (CLOSED, '"a"b"",c",d', ('a"b"', 'c"', "d")),
        (CUT_BACK, '"a,b"c,d', ("a", "bc,d", None)),
        (CUT_BACK, '"a,b" c,d', ('"a,b" c', "d", None)),
        (CUT_BACK, '"a,b"c",d', ("a", "bc", "d")),
        (SKIPPED, '"a"b,c', (None, "c", None)),
        (SKIPPED, '"a,b" c,d', (None, "d", None)),
        (SKIPPED, 'x"y,"a"', ('x"y', "a", None)),
        ("RAISE_ERROR", 'x"y,"a" ,"b""c"', ('x"y', "a", 'b"c')),
    ],
)
@pytest.mark.parametrize("sep", [",", "||"])
def test_cells_are_cut_as_asked(
    handling: str, line: str, expected: tuple[str | None, ...], sep: str
) -> None:
    """Whatever is between two cells."""
    cells = [each and each.replace(",", sep) for each in expected]
    given = {"unescapedQuoteHandling": handling, "escape": '"', "sep": sep}

    assert texts(line.replace(",", sep), **given) == [tuple(cells)]


def test_separator_may_be_in_parts_around_an_odd_quote() -> None:
    """The quote is gone when the cell is cut back."""
    given = {"unescapedQuoteHandling": CUT_BACK, "sep": "||"}

    assert texts('"a"|"|b"c', **given) == [("a", "bc", None)]
    assert texts('"a"|b"|c"d', **given) == [("a|b|cd", None, None)]


def test_error_shows_the_cell() -> None:
    """A line behind a good one is bad for the file."""
    with pytest.raises(BadFileError, match=r"'\"a\"b'"):
        parse(b'1,2,3\n4,"a"b,6\n', unescapedQuoteHandling="RAISE_ERROR")


def test_documents_are_not_cut_back() -> None:
    """A record could end within the cell."""
    with pytest.raises(UsageError, match="multiLine"):
        csv_format(unescapedQuoteHandling=CUT_BACK, multiLine="true")
    assert parse(b'"a"b,c\n1",2\n', unescapedQuoteHandling=CLOSED, multiLine="true")[
        0
    ] == [('a"b,c\n1', "2", None)]
