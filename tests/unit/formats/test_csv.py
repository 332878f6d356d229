"""CSV records: quotes, headers and ragged rows, as Spark's own reader has them."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from sluice.formats.base import FileRange, Split
from support.csv_rows import ABC, NOW, csv_format, parse, texts

BACKSLASH = {
    '"a""b",c,d': ('"a""b"', "c", "d"),
    r'"a\"b",c': ('a"b', "c", None),
    r'"a\\",c': ("a\\", "c", None),
    r'"a\b",c': (r"a\b", "c", None),
    r"a\,b": ("a\\", "b", None),
    'a"b,c': ('a"b', "c", None),
    '"a"b,c': ('"a"b', "c", None),
    ' "a",b': (' "a"', "b", None),
    '"a" ,b': ("a", "b", None),
    '"a" b,c': ('"a" b', "c", None),
    '"a,b': ("a,b", None, None),
    '"a"x"b",c': ('"a"x"b"', "c", None),
    '"""a""",b': ('"""a"""', "b", None),
    r'"a\""b",c': ('"a""b"', "c", None),
    '"a"",b': ('a"', "b", None),
    '"a,","b,"': ("a,", "b,", None),
    '",a"b,c': ('",a"b', "c", None),
    '"': ('"', None, None),
    r'"a' + "\\": ("a", None, None),
    ',"",': (None, None, None),
    r'\"a,b"': (r"\"a", 'b"', None),
}
DOUBLED = {
    '"a""b",c,d': ('a"b', "c", "d"),
    '"a"b,c': ('"a"b', "c", None),
    '"""a""",b': ('"a"', "b", None),
    r'"a\"b",c': (r'"a\"b"', "c", None),
    '"a""': ('a"', None, None),
}


@pytest.mark.parametrize("line", BACKSLASH)
def test_quotes_are_read_as_spark_reads_them(line: str) -> None:
    """Among plain lines, too: they are read at once, and the odd one is rewritten."""
    assert texts(f"x,,y\n{line}\nx,,y\n") == [
        ("x", None, "y"),
        BACKSLASH[line],
        ("x", None, "y"),
    ]


@pytest.mark.parametrize("line", DOUBLED)
def test_quote_may_escape_itself(line: str) -> None:
    """As in the files of most programs but Spark."""
    assert texts(f"{line}\nx\n", escape='"') == [DOUBLED[line], ("x", None, None)]


def test_quotes_can_be_others_or_none() -> None:
    """Each option has an empty value that turns it off."""
    assert texts("'a,b',c\n", quote="'") == [("a,b", "c", None)]
    assert texts('"a,b",c\n', quote="") == [('"a', 'b"', "c")]
    assert texts('"b\\"c,d"\n', escape="") == [('"b\\"c', 'd"', None)]


@pytest.mark.parametrize(
    ("content", "options", "rows"),
    [
        ('a||b||c\n"x||y"||z\n', {"sep": "||"}, [tuple("abc"), ("x||y", "z", None)]),
        ("a¦b\n", {"delimiter": "¦"}, [("a", "b", None)]),
        ("a\tb\n\t\t\n", {"SEP": r"\t"}, [("a", "b", None)]),
        ("#x\n#\na#,b\n", {"comment": "#"}, [("a#", "b", None)]),
        ('"",NA,"NA"\n', {"nullValue": "NA"}, [("", None, None)]),
        ('"",,x\n', {"emptyValue": "E"}, [("E", None, "x")]),
        ("a\nb\nc\n", {"skipRows": "2"}, [("c", None, None)]),
        (
            ' a , b,c \n" a "," b "\n',
            {"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "TRUE"},
            [tuple("abc"), (" a ", " b ", None)],
        ),
        (
            " a , b\n ,",
            {"ignoreLeadingWhiteSpace": "true"},
            [("a ", "b", None), (None, None, None)],
        ),
    ],
)
def test_options_mean_what_sparks_mean(
    content: str, options: dict[str, str], rows: list[tuple]
) -> None:
    """One line each."""
    assert texts(content, **options) == rows


@pytest.mark.parametrize(
    "content",
    [
        "a,b,c\nd,e,f\n",
        "\ufeffa,b,c\nd,e,f",
        "a,b,c\r\nd,e,f\r\n",
        "a,b,c\rd,e,f\r",
        "\n \n a,b,c\n\t\n\r\nd,e,f\n\n".replace(" a", "a"),
    ],
)
def test_line_ends_blank_lines_and_marks(content: str) -> None:
    """Whatever wrote the file, with a header and without."""
    assert texts(content) == [tuple("abc"), tuple("def")]
    assert texts(content, multiLine="true")[-1] == tuple("def")
    # With a header by name: the columns are a, b and c.
    assert texts(content, header="true") == [tuple("def")]


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"a,b,c\n", b"a,b,c"])
def test_file_without_records_has_no_rows(content: bytes) -> None:
    """Empty, or a header alone."""
    assert parse(content, ABC, header="true") == ([], [])
    assert parse(content, ABC, header="true", multiLine="true") == ([], [])


def test_header_maps_by_name() -> None:
    """Reordered, missing and new columns end up where they belong."""
    rows, rescued = parse(b"c,new,a\n1,2,3\n4,,\n", ABC, header="true")

    assert rows == [("3", None, "1"), (None, None, "4")]
    assert rescued == [{"new": "2"}, {}]


def test_names_of_a_header_may_be_double() -> None:
    """The first of them has the name, and as with Spark each has its own as well."""
    columns = pa.schema([("a", pa.string()), ("_c2", pa.string())])
    rows, rescued = parse(b"a,a,,A\n1,2,3,4\n", columns, header="true")

    assert rows == [("1", "3")]
    assert rescued == [{"a1": "2", "A3": "4"}]


def test_ragged_rows_lose_nothing() -> None:
    """What is missing is null, what is too much is rescued, by position."""
    rows, rescued = parse(b'a\nb,c,d,"e,f",,g\nh,i,j\n,,,"k"\n', ABC)

    assert rows == [("a", None, None), tuple("bcd"), tuple("hij"), (None,) * 3]
    assert rescued == [{}, {"_c3": "e,f", "_c5": "g"}, {}, {"_c3": "k"}]


def test_cells_behind_a_header_are_no_new_fields() -> None:
    """A row that is too long would give a table a column of nothing else."""
    columns = pa.schema([("a", pa.string())])
    content = io.BytesIO(b"a,b\n1,2,3\n")
    part = FileRange("/in/a", 10, NOW, content, 0, 10)
    (block,) = csv_format(header="true").parse(part, columns)

    assert block.records is not None
    assert [record.new_fields for record in block.records] == [("b",)]
    assert block.records[0].rescued.keys() == {"b", "_c2"}


def test_wider_records_are_rescued_where_they_are_the_rule() -> None:
    """A schema may name only the first columns."""
    rows, rescued = parse(b"1,2\n3,4\n5\n", pa.schema([("a", pa.int64())]))

    assert rows == [(1,), (3,), (5,)]
    assert rescued == [{"_c1": "2"}, {"_c1": "4"}, {}]


def test_record_with_too_many_cells_is_corrupt() -> None:
    """Spark's reader would fail."""
    rows, rescued = parse(b"a,b,c\na,b,c,d,e\n", ABC, maxColumns="4")

    assert rows == [tuple("abc"), (None, None, None)]
    assert rescued == [{}, {"corrupt": "a,b,c,d,e"}]


def test_cell_that_is_no_utf8_is_rescued_alone() -> None:
    """Spark puts U+FFFD there in silence."""
    rows, rescued = parse(b'a\xff,b\n"\xfe"x,c\n', ABC)

    assert rows == [(None, "b", None), (None, "c", None)]
    assert rescued == [{"a": r"a\xff"}, {"a": r'"\xfe"x'}]


@pytest.mark.parametrize(
    ("encoding", "split"),
    [("ISO-8859-1", Split.RANGES), ("cp1252", Split.RANGES), ("UTF-16", Split.NEVER)],
)
def test_other_encodings(encoding: str, split: Split) -> None:
    """Where a line feed is not one byte, the file is not cut."""
    content = "ä,b,c\nü,é\n".encode(encoding)

    assert csv_format(charset=encoding).split is split
    assert parse(content, ABC, encoding=encoding)[0] == [
        ("ä", "b", "c"),
        ("ü", "é", None),
    ]


def test_document_has_line_ends_in_quotes() -> None:
    """It is never cut, and a quote that is never closed takes the rest."""
    content = 'a,"b\nc",d\r\n\n"e""\r\nf",g\n#h\n"i,\nj\n'
    options = {"multiLine": "true", "escape": '"', "comment": "#"}

    assert csv_format(**options).split is Split.NEVER
    assert texts(content, **options) == [
        ("a", "b\nc", "d"),
        ('e"\r\nf', "g", None),
        ("i,\nj\n", None, None),
    ]
    header = '"a\n",b\n' + content
    columns = pa.schema([("b", pa.string()), ("a\n", pa.string())])
    rows, _ = parse(header.encode(), columns, header="true", **options)
    assert rows[0] == ("b\nc", "a")
