"""CSV cells, columns and ranges, as Spark's own reader has them unless docs say why."""

from __future__ import annotations

import io
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import UsageError
from sluice.formats.base import FileRange, Split
from sluice.formats.csv import CsvFormat
from sluice.formats.csv_blocks import plain_lines, read_rows, written
from sluice.formats.csv_tokens import Cells, Dialect
from sluice.formats.streams import BadFileError
from sluice.options.options import parse_options, with_inferred

ABC = pa.schema([(name, pa.string()) for name in "abc"])
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT, LOCAL = pa.timestamp("us", "UTC"), pa.timestamp("us")
CELLS = "é\"\\ ,ab'|\r#"


def csv_format(**options: str) -> CsvFormat:
    """Return the format with options as a user gives them."""
    given = {"path": "/in", "cloudFiles.format": "CSV", "cloudFiles.schemaLocation": ""}
    found = parse_options(given | options).format
    assert isinstance(found, CsvFormat)
    return found


def parse(
    content: bytes, columns: pa.Schema = ABC, *cuts: int, **options: str
) -> tuple[list[tuple], list[dict]]:
    """Return the rows of a file, cut at positions, and what is rescued of each."""
    rows, rescued = [], []
    ends = [0, *cuts, len(content)]
    for start, end in pairwise(ends):
        part = FileRange("/in/a", len(content), NOW, io.BytesIO(content), start, end)
        for block in csv_format(**options).parse(part, columns):
            rows += [tuple(row.values()) for row in block.columns.to_pylist()]
            records = block.records or [None] * block.num_rows
            rescued += [_rescued(record) for record in records]
    return rows, rescued


def _rescued(record) -> dict:
    if record is None:
        return {}
    corrupt = {} if record.corrupt is None else {"corrupt": record.corrupt}
    return {
        name: msgspec.json.decode(text) for name, text in record.rescued.items()
    } | corrupt


def texts(content: str, **options: str) -> list[tuple]:
    """Return the rows of text that has nothing to rescue."""
    rows, rescued = parse(content.encode(), ABC, **options)
    assert rescued == [{}] * len(rows)
    return rows


def values(kind: pa.DataType, *cells: str, **options: str) -> list[object]:
    """Return what cells become in a column; what is rescued is a set of its text."""
    columns = pa.schema([("v", kind), ("last", pa.string())])
    lines = "".join(f"{cell};x\n" for cell in cells)
    rows, rescued = parse(lines.encode(), columns, sep=";", **options)
    return [
        {record["v"]} if record and row[0] is None else row[0]
        for row, record in zip(rows, rescued, strict=True)
    ]


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


def test_two_thousand_columns() -> None:
    """Wide files are ordinary."""
    names = [f"n{number}" for number in range(2000)]
    columns = pa.schema([(name, pa.int32()) for name in reversed(names)])
    line = ",".join(map(str, range(2000)))
    rows, rescued = parse(
        f"{','.join(names)}\n{line}\n".encode(), columns, header="true"
    )

    assert rows == [tuple(reversed(range(2000)))]
    assert rescued == [{}]


NAN = pytest.approx(math.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        (pa.int32(), ["+5", "-0", "007", "2147483647"], [5, 0, 7, 2147483647]),
        *(
            (pa.int32(), [text], [{text}])
            for text in (" 5", "1.0", "0x1F", "2147483648", "1e3", "9" * 5000)
        ),
        (pa.int8(), ["127", "128"], [127, {"128"}]),
        (pa.int64(), ["9223372036854775807", "x"], [9223372036854775807, {"x"}]),
        (pa.float64(), ["+1", "1.", ".5", " 1 ", "1d", "1e5"], [1, 1, 0.5, 1, 1, 1e5]),
        (
            pa.float64(),
            ["NaN", "+NaN ", "Inf", "-Infinity"],
            [NAN] * 2 + [math.inf, -math.inf],
        ),
        (
            pa.float64(),
            ["1", "nan", "1e400", "Inf "],
            [1, {"nan"}, {"1e400"}, {"Inf "}],
        ),
        (pa.float32(), ["0.5", "1e39"], [0.5, {"1e39"}]),
        (pa.bool_(), ["true", "FALSE", "1", "T"], [True, False, {"1"}, {"T"}]),
        (pa.binary(), ["abc"], [b"abc"]),
        (
            pa.decimal128(5, 2),
            ["1.2", "1.235", "1e2", ".5", "1,00", "1234.5"],
            [*map(Decimal, ("1.20", "1.24", "100.00", "0.50", "100.00")), {"1234.5"}],
        ),
        (
            pa.date32(),
            ["2020-01-02", "2020-1-2", "2020", "2020-02", "2020-01-02 10:00"],
            [date(2020, 1, 2)] * 2
            + [date(2020, 1, 1), date(2020, 2, 1), date(2020, 1, 2)],
        ),
        (
            pa.date32(),
            ["2020-02-30", "20200102", "2020-01-02x"],
            [{"2020-02-30"}, {"20200102"}, {"2020-01-02x"}],
        ),
        (
            MOMENT,
            [
                "2020-01-02 03:04:05.1234567",
                "2020-1-2T3:4:5Z",
                "2020-01-02T05:04:05+02",
            ],
            [datetime(2020, 1, 2, 3, 4, 5, 123456, UTC)]
            + [datetime(2020, 1, 2, 3, 4, 5, 0, UTC)] * 2,
        ),
        (
            MOMENT,
            ["2020-01-02 00:00 Europe/Berlin", "2020-01-02 24:00:00", "1577880000"],
            [
                datetime(2020, 1, 1, 23, tzinfo=UTC),
                {"2020-01-02 24:00:00"},
                {"1577880000"},
            ],
        ),
        (
            LOCAL,
            ["2020-01-02 03:04", "2020-01-02T03:04:05Z"],
            [
                datetime(2020, 1, 2, 3, 4),  # noqa: DTZ001
                {"2020-01-02T03:04:05Z"},
            ],
        ),
    ],
)
def test_cell_fits_its_column_or_is_rescued_to_the_letter(
    kind: pa.DataType, cells: list[str], expected: list[object]
) -> None:
    """As with Spark's reader, but for numbers without an end."""
    assert values(kind, *cells) == expected


def test_nested_columns_are_refused_by_name() -> None:
    """Before a file is read."""
    with pytest.raises(UsageError, match="'deep'"):
        csv_format().require_columns(pa.schema([("deep", pa.list_(pa.string()))]))
    csv_format().require_columns(ABC)


@pytest.mark.parametrize(
    ("option", "kind", "pattern", "cells", "expected"),
    [
        (
            "dateFormat",
            pa.date32(),
            "dd/MM/yyyy",
            ["01/02/2020", "1/2/2020", "31/02/2020"],
            [date(2020, 2, 1), {"1/2/2020"}, {"31/02/2020"}],
        ),
        ("dateFormat", pa.date32(), "MMM d, yy", ["jan 2, 20"], [date(2020, 1, 2)]),
        ("dateFormat", pa.date32(), "yyyyMMdd'T'", ["20200102T"], [date(2020, 1, 2)]),
        ("dateFormat", pa.date32(), "MM", ["02"], [date(1970, 2, 1)]),
        (
            "timestampFormat",
            MOMENT,
            "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]",
            ["2020-01-02T03:04:05", "2020-01-02T03:04:05.1+02:00"],
            [
                datetime(2020, 1, 2, 3, 4, 5, 0, UTC),
                datetime(2020, 1, 2, 1, 4, 5, 100_000, UTC),
            ],
        ),
        (
            "timestampFormat",
            MOMENT,
            "MM/dd/yyyy hh:mm a",
            ["01/02/2020 12:04 am", "01/02/2020 01:04 PM", "01/02/2020 13:04 AM"],
            [
                datetime(2020, 1, 2, 0, 4, tzinfo=UTC),
                datetime(2020, 1, 2, 13, 4, tzinfo=UTC),
                {"01/02/2020 13:04 AM"},
            ],
        ),
        (
            "timestampNTZFormat",
            LOCAL,
            "dd.MM.yyyy HH:mm:ss.SSS",
            ["01.02.2020 03:04:05.12", "2020-02-01 03:04:05"],
            [
                datetime(2020, 2, 1, 3, 4, 5, 120_000),  # noqa: DTZ001
                {"2020-02-01 03:04:05"},
            ],
        ),
    ],
)
def test_patterns_of_dates_and_times(
    option: str, kind: pa.DataType, pattern: str, cells: list[str], expected: list
) -> None:
    """Spark's letters, and nothing else where one is given."""
    assert values(kind, *cells, **{option: pattern}) == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("dateFormat", "EEE dd"),
        ("timestampFormat", "yyyy-DDD"),
        ("dateFormat", "dd dd"),
        ("dateFormat", "[yyyy"),
        ("sep", ""),
        ("sep", "\n"),
        ("quote", "''"),
        ("escape", "ä"),
        ("comment", "//"),
        ("encoding", "cp500"),
        ("encoding", "no such"),
        ("lineSep", "|"),
        ("skipRows", "-1"),
        ("maxColumns", "0"),
        ("header", "yes"),
        ("unescapedQuoteHandling", "RAISE_ERROR"),
        ("locale", "de-DE"),
        ("nanValue", "-"),
    ],
)
def test_what_is_not_built_is_refused_by_name(option: str, value: str) -> None:
    """Nothing is passed over in silence."""
    with pytest.raises(UsageError, match=option):
        csv_format(**{option: value})


@pytest.mark.parametrize("multi_line", ["true", "false"])
def test_inferred_names_are_those_of_the_headers(
    multi_line: str, tmp_path: Path
) -> None:
    """Of all files, in order; without types each column is a string."""
    (tmp_path / "1").write_text("b,a,,b\n1,2\n")
    (tmp_path / "2").write_text("c,a\n")
    (tmp_path / "3").write_text("")
    paths = [str(tmp_path / name) for name in "1234"]

    schema = csv_format(header="true", multiLine=multi_line).infer(
        paths, max_bytes=100, typed=False
    )

    assert schema == pa.schema(
        [(name, pa.string()) for name in ("b0", "a", "_c2", "b3", "c")]
    )
    bare = csv_format().infer(paths[:1], max_bytes=100, typed=False)
    assert bare.names == ["_c0", "_c1", "_c2", "_c3"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "+2"], pa.int32()),
        (["1", "2147483648"], pa.int64()),
        (["9" * 20, "1"], pa.decimal128(20, 0)),
        (["9" * 20, "1.5"], pa.float64()),
        (["1", "1e5", "NaN"], pa.float64()),
        (["2020-01-01"], pa.date32()),
        (["2020-01-01", "2020-01-01 10:00:00"], MOMENT),
        (["2020-1-1"], MOMENT),
        (["2020", "2020-01-01"], pa.string()),
        (["true", "False"], pa.bool_()),
        (["true", "1"], pa.string()),
        (["", '""'], pa.string()),
        (["1", "x"], pa.string()),
    ],
)
def test_inferred_types_are_sparks(
    cells: list[str], kind: pa.DataType, tmp_path: Path
) -> None:
    """In one file or in several, whichever is first."""
    both = tmp_path / "both"
    both.write_text("".join(f"{cell},x\n" for cell in ["a", *cells]))
    files = []
    for number, cell in enumerate(cells):
        files.append(tmp_path / str(number))
        files[-1].write_text(f"a\n{cell}\n")
    source = csv_format(header="true")

    for paths in ([both], files, files[::-1]):
        found = source.infer(list(map(str, paths)), max_bytes=1000, typed=True)
        assert found.field("a").type == kind


def test_sample_ends_with_a_whole_line(tmp_path: Path) -> None:
    """Half a number is a number, and half a date none."""
    (tmp_path / "a").write_text("a,d\n1,2020-01-01\n2,2020-01-02\n")
    found = csv_format(header="true").infer(
        [str(tmp_path / "a")], max_bytes=25, typed=True
    )

    assert found.types == [pa.int32(), pa.date32()]


def test_without_a_schema_the_first_line_is_the_header() -> None:
    """As Auto Loader has it; the option itself comes first, in any case."""
    given = {"cloudFiles.format": "csv"}

    assert with_inferred(given) == {"header": "true", **given}
    assert with_inferred(given | {"HEADER": "false"}) == given | {"HEADER": "false"}
    assert with_inferred({"cloudFiles.format": "json"}) == {"cloudFiles.format": "json"}


def test_columns_that_are_not_asked_for_cost_nothing() -> None:
    """Where nothing rescues, rows are still counted."""
    content = b"a,b\n1,2\n3,4\n"
    part = FileRange("/in/a", 12, NOW, io.BytesIO(content), 0, 12, rescues=False)
    (block,) = csv_format(header="true").parse(part, pa.schema([]))

    assert block.num_rows == 2
    part = FileRange("/in/a", 12, NOW, io.BytesIO(content), 0, 12, rescues=False)
    (block,) = csv_format(header="true").parse(part, pa.schema([("b", pa.int8())]))
    assert block.records is None
    assert block.columns.to_pydict() == {"b": [2, 4]}


@given(st.text(st.sampled_from(CELLS + "\n"), max_size=60), st.data())
@settings(max_examples=150, deadline=None)
def test_where_a_file_is_cut_does_not_matter(content: str, data: st.DataObject) -> None:
    """The header is found by every task, and each record read by one of them."""
    text = content.encode()
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=4)))
    cuts = [cut for cut in cuts if cut < len(text)]
    options = {
        "header": data.draw(st.sampled_from(["true", "false"])),
        "skipRows": data.draw(st.sampled_from(["0", "1", "2"])),
        "comment": "#",
    }
    assert parse(text, ABC, *cuts, **options) == parse(text, ABC, **options)


@given(
    st.text(st.sampled_from(CELLS + "\n"), max_size=80),
    st.sampled_from(["\\", '"', "\0"]),
    st.sampled_from([",", "|", "é,"]),
)
@settings(max_examples=300, deadline=None)
def test_fast_path_gives_what_the_careful_one_does(
    content: str, escape: str, separator: str
) -> None:
    """What is found plain is cut by pyarrow as cell by cell."""
    dialect = Dialect(separator=separator.encode().decode("latin-1"), escape=escape)
    block = plain_lines(content.encode(), dialect, b"")
    if not block:
        return
    rows = read_rows(block, written(dialect), 1, wanted=range(99), limit=99)
    columns = [column.to_pylist() for column in rows.columns.values()]
    found = [list(row) for row in zip(*columns, strict=True)]
    for row, surplus in rows.surplus.items():
        found[row] += [cell.encode() or None for cell in surplus]

    assert [_without_end(row) for row in found] == [
        _without_end(
            [
                None if cell is None else cell.encode("latin-1")
                for cell in Cells(line, dialect)
            ]
        )
        for line in _lines(content)
    ]


def _lines(content: str) -> list[str]:
    lines = content.encode().splitlines()
    space = bytes(range(33))
    return [line.decode("latin-1") for line in lines if line.strip(space)]


def _without_end(cells: list) -> list:
    while cells and not cells[-1]:
        cells.pop()
    return cells


@pytest.mark.parametrize(
    "options", [{"multi_line": True}, {"encoding": "utf-16"}, {"header": True}]
)
def test_file_that_must_be_read_at_once_has_a_limit(options: dict[str, object]) -> None:
    """A document, bytes that show no line ends, and the line of a header."""
    content = b"a,b\n" * 3
    part = FileRange("/a", 12, NOW, io.BytesIO(content), 0, len(content))

    with pytest.raises(BadFileError, match=r"sluice\.maxContentBytes"):
        list(CsvFormat(max_content_bytes=3, **options).parse(part, pa.schema([])))
