"""What a file is, by its content; its name decides where the content says nothing."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.audit.counting import count_records
from sluice.errors import Condition
from sluice.formats.base import Format
from sluice.formats.content import CODECS, codec_of, may_be_plain
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.text import TextFormat
from sluice.reading.partition import FileSlice
from support.reading import LINES, land, packed, read, refusal, whole

NUMBERS = b"".join(b"%d\n" % number for number in range(100))
FORMATS = {
    "json": (JsonFormat(), LINES, pa.schema([("i", pa.int64())])),
    "csv": (CsvFormat(), NUMBERS, pa.schema([("i", pa.int64())])),
    "text": (TextFormat(), NUMBERS, pa.schema([("value", pa.string())])),
}
Kind = tuple[Format, bytes, pa.Schema]
EACH = pytest.mark.parametrize("each", FORMATS.values(), ids=FORMATS)


def _zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a.json", content)
    return target.getvalue()


def _parquet(content: bytes) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({"i": [content]}), target)
    return target.getvalue()


SAME = {
    "gzip": lambda content: packed(content, "gzip"),
    "zstd": lambda content: packed(content, "zstd"),
    "bzip2": lambda content: packed(content, "bz2"),
    "lz4": lambda content: packed(content, "lz4"),
    "gzip and zero bytes": lambda content: gzip.compress(content) + bytes(1000),
    "gzip in members": lambda content: (
        gzip.compress(content[:99]) + gzip.compress(content[99:])
    ),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "UTF-16, big end first": lambda content: (
        b"\xfe\xff" + content.decode().encode("utf-16-be")
    ),
    "UTF-32": lambda content: content.decode().encode("utf-32"),
    "UTF-16 in gzip": lambda content: gzip.compress(content.decode().encode("utf-16")),
}
OTHERS = {
    "xz": lzma.compress,
    "a ZIP archive": _zipped,
    "snappy": lambda content: b"\xff\x06\x00\x00sNaPpY" + content,
    "Parquet": _parquet,
    "Avro": lambda content: b"Obj\x01" + content,
}


@EACH
@pytest.mark.parametrize("name", ["a.json", "a", "a.gz", "a.zst"])
@pytest.mark.parametrize("kind", SAME)
def test_content_decides(each: Kind, kind: str, name: str, tmp_path: Path) -> None:
    """Under any name the rows are the same, and the audit counts as many."""
    source_format, content, output = each
    if kind.startswith("UTF") and not kind.endswith("gzip") and "." in name:
        name = "a.csv"  # a name that says gzip of what is none is an error
    file = land(tmp_path, name, SAME[kind](content))

    rows = read(whole(file), format=source_format, output=output)

    assert [int(row[output.names[0]]) for row in rows] == list(range(100))
    assert count_records(file.path, source_format) == 100


@EACH
@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["as it is", "in gzip"])
def test_what_is_not_read_is_a_bad_file_by_its_name(
    each: Kind, kind: str, wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Lines of nulls with garbage rescued would look like rows."""
    source_format, content, output = each
    file = land(tmp_path, "a.json", wrap(OTHERS[kind](content)))

    error = refusal(whole(file), format=source_format, output=output)

    assert error.condition is Condition.BAD_FILE
    assert error.context["path"] == file.path
    assert f"it is {kind}, which is not read here; land it" in str(error)


@pytest.mark.parametrize("ending", CODECS)
@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_name_helps_where_content_says_nothing(
    ending: str, spell: Callable[[str], str], tmp_path: Path
) -> None:
    """Brotli and what Hadoop calls deflate have no beginning of their own."""
    file = land(tmp_path, f"a.{spell(ending)}", packed(LINES, CODECS[ending]))

    assert len(read(whole(file))) == count_records(file.path, JsonFormat()) == 100
    assert not JsonFormat().can_split(file.path)


@pytest.mark.parametrize("kind", SAME)
def test_large_file_whose_name_hides_its_content_is_read_once(
    kind: str, tmp_path: Path
) -> None:
    """It was planned in parts: the first reads all of it, the others nothing."""
    file = land(tmp_path, "a.json", SAME[kind](LINES))
    middle = file.size // 2
    slices = [FileSlice(file, 0, middle), FileSlice(file, middle, file.size)]

    assert [len(read(each)) for each in slices] == [100, 0]


@pytest.mark.parametrize("text", [b"BZh9 is no bzip2", b"PAR1,PAR2", b"x^y", b"PK,a"])
def test_text_that_begins_alike_is_text(text: bytes) -> None:
    """More than its first letters must be those of another kind of file."""
    assert codec_of(text, "/a.csv") is None


def test_folder_is_no_ending() -> None:
    """A folder may be called like a compressed file."""
    assert may_be_plain("/a.gz/x")
    assert may_be_plain("/a/x.json")


def test_empty_file_has_no_rows_whatever_its_name(tmp_path: Path) -> None:
    """Spark's writers leave such files; nothing is in them that could be damaged."""
    for ending in [*CODECS, "snappy", "xz", "zip"]:
        file = land(tmp_path, f"a.{ending}", b"")
        assert read(whole(file)) == []
        assert count_records(file.path, JsonFormat()) == 0


@pytest.mark.parametrize("ending", ["snappy", "xz", "zip"])
def test_name_of_what_is_not_read_is_refused(ending: str, tmp_path: Path) -> None:
    """Hadoop's snappy has no beginning of its own."""
    file = land(tmp_path, f"a.{ending}", b"\x00\x00\x00\x05nonsense")

    assert "which is not read here" in str(refusal(whole(file)))
