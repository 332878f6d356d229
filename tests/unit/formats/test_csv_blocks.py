"""CSV inferred, cut into ranges, and read quickly: the rows stay the same."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.formats.base import FileRange
from sluice.formats.csv import CsvFormat
from sluice.formats.csv_blocks import plain_lines, read_rows, written
from sluice.formats.csv_tokens import Cells, Dialect
from sluice.formats.streams import BadFileError
from sluice.options.options import with_inferred
from support.csv_rows import ABC, NOW, csv_format, parse

MOMENT, LOCAL = pa.timestamp("us", "UTC"), pa.timestamp("us")
CELLS = "é\"\\ ,ab'|\r#"


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
    """In one file or in several, of one header or of others, whichever is first."""
    both = tmp_path / "both"
    both.write_text("".join(f"{cell},x\n" for cell in ["a", *cells]))
    alike, others = [], []
    for number, cell in enumerate(cells):
        alike.append(tmp_path / str(number))
        alike[-1].write_text(f"a\n{cell}")  # the next begins with a line of its own
        others.append(tmp_path / f"other{number}")
        others[-1].write_text(f"a,x{number}\n{cell},\n")
    source = csv_format(header="true")

    for paths in ([both], alike, alike[::-1], others, others[::-1]):
        found = source.infer(list(map(str, paths)), max_bytes=1000, typed=True)
        assert found.field("a").type == kind


def test_dates_of_a_pattern_are_no_timestamps(tmp_path: Path) -> None:
    """As Spark has it: a timestamp would not be read in that pattern."""
    (tmp_path / "1").write_text("a\n01.02.2026\n")
    (tmp_path / "2").write_text("a,b\n2026-01-01 10:00:00,\n")
    paths = [str(tmp_path / name) for name in "12"]

    def infer(pattern: str) -> pa.DataType:
        source = csv_format(header="true", dateFormat=pattern)
        return source.infer(paths, max_bytes=100, typed=True).field("a").type

    assert infer("dd.MM.yyyy") == pa.string()
    (tmp_path / "1").write_text("a\n2026-02-01\n")
    assert infer("yyyy-MM-dd") == MOMENT


def test_each_file_without_a_header_has_its_own_width(tmp_path: Path) -> None:
    """Columns that only a few have are columns, and of their type."""
    for name, content in (("1", "1,2\n" * 20), ("2", "1,2,3.5\n"), ("3", "4,5\n")):
        (tmp_path / name).write_text(content)

    for names in ("123", "321"):
        paths = [str(tmp_path / name) for name in names]
        found = csv_format().infer(paths, max_bytes=1000, typed=True)
        assert found.names == ["_c0", "_c1", "_c2"]
        assert found.types == [pa.int32(), pa.int32(), pa.float64()]


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

    expected = [
        [
            None if cell is None else cell.encode("latin-1")
            for cell in Cells(each, dialect)
        ]
        for each in _lines(content)
    ]
    for row in rows.surplus:
        # Of cells that have no column it is not kept if they were quoted.
        behind = [cell or None for cell in expected[row][rows.width :]]
        expected[row][rows.width :] = behind
    assert list(map(_without_end, found)) == list(map(_without_end, expected))


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
