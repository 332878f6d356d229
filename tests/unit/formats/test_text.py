from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from sluice.errors import Condition, UsageError
from sluice.formats import streams
from sluice.formats.base import FileRange, Split, rescued_json
from sluice.formats.streams import BadFileError
from sluice.formats.text import TextFormat

VALUE = pa.schema([("value", pa.string())])
EPOCH = datetime.fromtimestamp(0, UTC)


def read(
    content: bytes,
    columns: pa.Schema = VALUE,
    start: int = 0,
    end: int | None = None,
    **options: object,
) -> list[str]:
    """Return the one column of the rows of a range."""
    stream = io.BytesIO(content)
    size = len(content)
    part = FileRange("/a", size, EPOCH, stream, start, size if end is None else end)
    blocks = TextFormat(**options).parse(part, columns)
    return [row for block in blocks for row in block.columns[0].to_pylist()]


@pytest.mark.parametrize(
    ("content", "options", "rows"),
    [
        (b"", {}, []),
        (b"a", {}, ["a"]),
        (b"a\n", {}, ["a"]),
        (b"a\r\nb\rc\n\n  \n", {}, ["a", "b", "c", "", "  "]),
        (b"\x0b\x0c\x1c\xc2\x85\n", {}, ["\x0b\x0c\x1c\x85"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", {}, ["a", "\ufeffb"]),
        (b"a\r\nb\rc\n\n", {"line_sep": b"\n"}, ["a\r", "b\rc", ""]),
        (b"a||b|||c\n", {"line_sep": b"||"}, ["a", "b", "|c\n"]),
        (b"a||", {"line_sep": b"||"}, ["a"]),
        (b"||", {"line_sep": b"||"}, [""]),
        (b"\xef\xbb\xbfa\nb", {"line_sep": b"\n"}, ["a", "b"]),
        (b"\xef\xbb\xbfa||b", {"line_sep": b"||"}, ["a", "b"]),
        (b"", {"line_sep": b"||"}, []),
        (b"\xef\xbb\xbfa\r\nb\n", {"whole_text": True}, ["\ufeffa\r\nb\n"]),
        (b"", {"whole_text": True}, []),
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 2, 3, 1 << 20])
def test_rows_are_lines_as_spark_has_them(
    content: bytes,
    options: dict[str, object],
    rows: list[str],
    block_bytes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever the blocks of the reading end."""
    monkeypatch.setattr(streams, "BLOCK_BYTES", block_bytes)
    assert read(content, **options) == rows


@pytest.mark.parametrize("cut", range(12))
@pytest.mark.parametrize("options", [{}, {"line_sep": b"\n"}])
def test_two_ranges_are_the_file(cut: int, options: dict[str, object]) -> None:
    """A line belongs to the range in which it begins."""
    content = b"ab\r\n\ncd\nef\n"

    parts = read(content, end=cut, **options) + read(content, start=cut, **options)

    assert TextFormat(**options).split is Split.RANGES
    assert parts == read(content, **options)


@pytest.mark.parametrize("options", [{"line_sep": b"|"}, {"whole_text": True}])
def test_file_is_whole_where_no_line_feed_ends_a_row(options) -> None:
    """A range could not find out where its first row begins."""
    assert TextFormat(**options).split is Split.NEVER


def test_line_that_is_not_utf_8_is_shown_and_rescued() -> None:
    """Spark shows it so too, and keeps what no reader can decode."""
    part = FileRange("/a", 9, EPOCH, io.BytesIO(b"caf\xe9\nbar\n"), 0, 9)

    (block,) = TextFormat().parse(part, VALUE)

    assert block.columns["value"].to_pylist() == ["caf\ufffd", "bar"]
    rescued, none = [rescued_json(record, "/a") for record in block.records]
    assert json.loads(rescued) == {"value": "caf\\xe9", "_file_path": "/a"}
    assert none is None


def test_column_may_have_any_name() -> None:
    """As with Spark's reader; none at all is a query for the file's facts."""
    named = pa.schema([("line", pa.string())])
    TextFormat().require_columns(named)
    TextFormat().require_columns(pa.schema([]))

    assert read(b"a", named) == ["a"]
    assert read(b"a", pa.schema([])) == ["a"]
    inferred = TextFormat().infer(["/nothing"], max_bytes=1, typed=False)
    assert inferred.equals(VALUE)


@pytest.mark.parametrize(
    ("columns", "named"),
    [([("a", pa.int32())], "a"), ([("a", pa.string()), ("b", pa.string())], "b")],
)
def test_other_columns_are_refused_by_name(columns, named: str) -> None:
    """No file could fill them."""
    with pytest.raises(UsageError) as caught:
        TextFormat().require_columns(pa.schema(columns))

    assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED
    assert caught.value.context == {"column": named}


def test_large_file_does_not_become_one_value() -> None:
    """The memory of a worker would be as large as any file."""
    assert read(b"abcd", whole_text=True, max_content_bytes=4) == ["abcd"]
    with pytest.raises(BadFileError, match=r"sluice\.maxContentBytes"):
        read(b"abcde", whole_text=True, max_content_bytes=4)
