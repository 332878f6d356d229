"""Records counted by the audit's own readers, as many as the source reads."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluice.audit import counting, opening
from sluice.audit.counting import COUNTERS, count_records
from sluice.formats.base import FileRange
from sluice.formats.binary_file import BinaryFileFormat
from sluice.formats.content import CODECS
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.formats.registry import FORMATS, format_class
from sluice.formats.text import TextFormat
from sluice.model import LedgerFile
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from sluice.reading.read import read_slices
from support.json_rows import CORRUPT
from support.reading import packed

EPOCH = datetime.fromtimestamp(0, UTC)
SPELLINGS = [each for ending in CODECS for each in (ending, ending.upper())]


def rows_read(path: Path) -> int:
    """Return how many rows the source reads from a file of JSON lines."""
    os.utime(path, (0, 0))
    epoch = datetime.fromtimestamp(0, UTC)
    file = LedgerFile(1, str(path), path.stat().st_size, epoch)
    plan = ReadPlan(format=JsonFormat(), output=pa.schema([("i", pa.int64())]))
    batches = read_slices([FileSlice(file, 0, file.size)], plan)
    return sum(batch.num_rows for batch in batches)


@pytest.mark.parametrize(
    ("content", "records"),
    [
        (b"", 0),
        (b"\n \n\r\n", 0),
        (b"{}", 1),
        (b"{}\n", 1),
        (b"{}\n\n{}\n", 2),
        (b"{}\r\n{}\r\n", 2),
        (b"\xef\xbb\xbf{}\n", 1),
        (b"\xef\xbb\xbf", 0),
        (b"{}\n   {}", 2),
        (b"not json\n{}\n", 2),
        (b"[{},{}]\n{}\n [ ] \n", 3),
        (b'\xef\xbb\xbf[1,"]",[2]]', 3),
        (b"[{},\n{}]\n", 2),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 3, 1 << 20])
def test_records_are_lines_that_are_not_blank(
    content: bytes,
    records: int,
    block_bytes: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the blocks of the reading fall must not matter."""
    monkeypatch.setattr(counting, "_BLOCK_BYTES", block_bytes)
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert count_records(str(path), JsonFormat()) == records


def test_compressed_file_is_counted_inside(tmp_path: Path) -> None:
    """Its name gives the compression, as for the source."""
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"{}\n{}\n"))
    assert count_records(str(path), JsonFormat()) == 2


@pytest.mark.parametrize(("content", "records"), [("[{},\n{}]", 2), ("{\n}", 1)])
def test_multi_line_file_holds_an_array_or_one_record(
    content: str, records: int, tmp_path: Path
) -> None:
    """Lines mean nothing there."""
    path = tmp_path / "a.json"
    path.write_text(content)
    assert count_records(str(path), JsonFormat(multi_line=True)) == records


# JSON, and what only one of two readers may take for it.
VALID = st.sampled_from(
    [b"{}", b"NaN", b"-Inf", b'"\\ud800"', b'"\\"NaN"', b"9" * 5000]
)
QUOTED = st.sampled_from(
    [b"{'a': ']'}", b"{'a': 1, 'b': [", b"'", b'"\\"]"', b"/* ] */"]
)
ELEMENTS = VALID | QUOTED | st.sampled_from(CORRUPT)
ARRAYS = st.lists(ELEMENTS, max_size=3).map(
    lambda elements: b"[" + b",".join(elements) + b"]"
)
BLANKS = st.sampled_from(
    [b"", b" \t", b"\x0b", b"\xef\xbb\xbf", b"\xef\xbb\xbf {}", b"// ]"]
)


@given(
    lines=st.lists(ARRAYS | BLANKS | st.sampled_from(CORRUPT), max_size=4),
    line_sep=st.sampled_from([None, b"\n", b"\r\n", b"||"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32-be", "cp1252"]),
    whole=st.booleans(),
    lenient=st.booleans(),
)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(
    lines=[b'[{}, "\\ud800"]'],
    line_sep=None,
    encoding="utf-8",
    whole=False,
    lenient=True,
)
@example(
    lines=[b"[{'a': '],'}, ]"],
    line_sep=None,
    encoding="utf-8",
    whole=False,
    lenient=True,
)
@example(
    lines=[b"[{'a': '],'}, ]"],
    line_sep=None,
    encoding="utf-8",
    whole=False,
    lenient=False,
)
@example(
    lines=[b"// [", b"[/* , */]"],
    line_sep=None,
    encoding="utf-8",
    whole=False,
    lenient=True,
)
def test_json_records_are_counted_as_they_are_read(
    tmp_path: Path,
    lines: list[bytes],
    line_sep: bytes,
    encoding: str,
    *,
    whole: bool,
    lenient: bool,
) -> None:
    """Arrays are as many records as they have elements, unless they are broken."""
    content = (line_sep or b"\n").join(lines)
    if encoding != "utf-8":
        content = content.decode("latin-1").encode(encoding, "replace")
    path = tmp_path / "a.json"
    path.write_bytes(content)
    source_format = JsonFormat(
        multi_line=whole,
        line_sep=line_sep,
        encoding=encoding,
        single_quotes=lenient,
        comments=lenient,
    )
    part = FileRange("/a", len(content), EPOCH, BytesIO(content), 0, len(content))
    columns = pa.schema([("i", pa.int64())])

    read = source_format.parse(part, columns)
    assert count_records(str(path), source_format) == sum(
        block.num_rows for block in read
    )


def test_both_registries_cover_the_same() -> None:
    """A format or codec that one of them lacks is counted wrong, or not at all."""
    assert set(COUNTERS) == set(FORMATS)
    assert [format_class(name).name for name in FORMATS] == list(FORMATS)
    assert {
        ending.removeprefix("."): codec for ending, codec in opening.CODECS.items()
    } == CODECS


@pytest.mark.parametrize("ending", [*SPELLINGS, "json", "gz.json"])
def test_as_many_records_are_counted_as_rows_are_read(
    ending: str, tmp_path: Path
) -> None:
    """A codec that only the source knows makes a whole table look doubled."""
    path = tmp_path / f"a.{ending}"
    content = packed(b'{"i": 1}\n' * 1000, CODECS.get(ending.lower()))
    path.write_bytes(content)

    assert count_records(str(path), JsonFormat()) == rows_read(path) == 1000


@pytest.mark.parametrize(
    ("content", "options", "records"),
    [
        (b"", {}, 0),
        (b"a\r\nb\rc\n\n  ", {}, 5),
        (b"a\r\n", {}, 1),
        (b"a\r\n\r", {}, 2),
        (b"a\rb\n", {"line_sep": b"\n"}, 1),
        (b"a||b|||", {"line_sep": b"||"}, 3),
        (b"a\nb", {"whole_text": True}, 1),
        (b"", {"whole_text": True}, 0),
    ],
)
def test_lines_of_text_are_counted(
    content: bytes,
    options: dict[str, object],
    records: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blank ones too, as Spark has them, wherever the blocks of the reading fall."""
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    for block_bytes in (1, 3, 1 << 20):
        monkeypatch.setattr(counting, "_BLOCK_BYTES", block_bytes)
        assert count_records(str(path), TextFormat(**options)) == records


def test_file_is_one_record_unless_it_is_empty(tmp_path: Path) -> None:
    """Whatever is in it: its ending names no codec here."""
    (tmp_path / "a.gz").write_bytes(b"x")
    (tmp_path / "b.gz").write_bytes(b"")
    assert count_records(str(tmp_path / "a.gz"), BinaryFileFormat()) == 1
    assert count_records(str(tmp_path / "b.gz"), BinaryFileFormat()) == 0


def test_rows_of_parquet_are_counted_by_the_footer(tmp_path: Path) -> None:
    """Compression is the format's own, whatever the file is called."""
    path = tmp_path / "a.gz"
    pq.write_table(pa.table({"i": range(1000)}), path, row_group_size=300)
    assert count_records(str(path), ParquetFormat()) == 1000
    path.write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="magic"):
        count_records(str(path), ParquetFormat())


@pytest.mark.parametrize(
    ("content", "options", "records"),
    [
        (b"", {}, 0),
        (b"a,b\n1,2", {}, 2),
        (b"a,b\n1,2", {"header": True}, 1),
        (b"\xef\xbb\xbf\n \r\n\t\na\rb\r\n", {}, 2),
        (b"x\n\n#c\na\n#d\nb\n", {"skip_rows": 1, "comment": "#", "header": True}, 1),
        (b'"a\nb"\n', {}, 2),
        (b'"a\nb",c\n\n"d\r\n,e"\n', {"multi_line": True}, 2),
        (b'"a\\"\nb"\nc\\\nd\n"e\\\\"\n"f', {"multi_line": True}, 5),
        (b'"a""\nb"||c\n', {"multi_line": True, "escape": '"', "separator": "||"}, 1),
        (b'"a\nb"\n', {"multi_line": True, "quote": "\0"}, 2),
        ("ä\nä".encode("utf-16"), {"encoding": "utf-16"}, 2),
    ],
)
def test_csv_records_are_counted_as_they_are_read(
    content: bytes, options: dict[str, object], records: int, tmp_path: Path
) -> None:
    """By Python's own reader, where quotes hold line ends."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    source_format = CsvFormat(**options)
    part = FileRange("/a", len(content), EPOCH, BytesIO(content), 0, len(content))
    columns = pa.schema([("i", pa.string())])

    assert count_records(str(path), source_format) == records
    read = source_format.parse(part, columns)
    assert sum(block.num_rows for block in read) == records
