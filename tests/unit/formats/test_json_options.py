"""The options of the json format that are not of its values."""

from __future__ import annotations

from datetime import UTC, date, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.errors import UsageError
from sluice.formats.base import FileRange, Split
from sluice.formats.json import JsonFormat
from sluice.options.options import parse_options
from support.json_rows import COLUMNS


def parsed_rows(content: bytes, *cuts: int, **options: str) -> list[int | None]:
    """Return the column ``i`` that the ranges of a file give with some options."""
    given = {"path": "/", "cloudFiles.format": "json", "cloudFiles.schemaLocation": "/"}
    source_format = parse_options(given | options).format
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    ends = [0, *cuts, len(content)]
    return [
        value
        for start, end in pairwise(ends)
        for block in source_format.parse(
            FileRange("/a", len(content), moment, BytesIO(content), start, end), COLUMNS
        )
        for value in block.columns["i"].to_pylist()
    ]


TEXT = '{"i": 1, "s": "ä"}\r\n{"i":\r 2}\r\n\r\n[{"i": 3}, {"i": 4}]'


@pytest.mark.parametrize("encoding", ["UTF-8", "latin1", "UTF-16", "utf-32-be"])
@pytest.mark.parametrize(
    ("line_sep", "expected"),
    [
        (None, [1, None, None, 3, 4]),
        ("\n", [1, 2, 3, 4]),
        ("\r\n", [1, 2, 3, 4]),
        ("ä", [None, None]),
        ("\r", [1, None, None, 3, 4]),
    ],
)
def test_lines_end_as_the_option_says(
    encoding: str, line_sep: str | None, expected: list[int | None]
) -> None:
    """In every encoding; a carriage return within an object is space."""
    options = {"charset": encoding} | ({"lineSep": line_sep} if line_sep else {})

    assert parsed_rows(TEXT.encode(encoding), **options) == expected


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_ranges_of_an_encoding_share_no_line(cut: int) -> None:
    """Where a line feed is one byte, several tasks read a file."""
    content = TEXT.encode("latin1")

    assert parsed_rows(content, cut, encoding="latin1", lineSep="\n") == [1, 2, 3, 4]


def test_text_of_an_encoding_is_that_text() -> None:
    """Also within a document; a byte that stands for nothing is shown."""
    source_format = JsonFormat(multi_line=True, encoding="cp1252")
    content = b'[{"s": "\xe4"}, {"s": "\x81"}]'
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    part = FileRange("/a", len(content), moment, BytesIO(content), 0, len(content))

    (block,) = source_format.parse(part, COLUMNS)

    assert block.columns["s"].to_pylist() == ["ä", None]
    assert block.records is not None
    assert bytes(block.records[1].rescued["s"]) == b'"\\"\\\\x81\\""'


@pytest.mark.parametrize(
    ("options", "split"),
    [
        ({}, Split.RANGES),
        ({"encoding": "cp1252", "line_sep": b"\n"}, Split.RANGES),
        ({"line_sep": b"\r\n"}, Split.NEVER),
        ({"encoding": "utf-16-le"}, Split.NEVER),
        ({"multi_line": True}, Split.NEVER),
    ],
)
def test_tasks_share_files_whose_lines_end_at_a_line_feed(
    options: dict[str, object], split: Split
) -> None:
    """Elsewhere the bytes of a range do not say where its lines begin."""
    assert JsonFormat(**options).split is split


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoding", "cp037"),
        ("lineSep", ""),
        ("dateFormat", "EEEE"),
        ("timeZone", "Europe/Paris"),
        ("maxNestingDepth", "10"),
        ("samplingRatio", "0.1"),
    ],
)
def test_value_that_is_not_built_is_refused(name: str, value: str) -> None:
    """By name, before a file is read."""
    with pytest.raises(UsageError, match=name):
        parsed_rows(b"", **{name: value})


@pytest.mark.parametrize("line_sep", [None, "||"])
def test_sample_is_read_as_the_files_are(tmp_path: Path, line_sep: str | None) -> None:
    """Its encoding, its line ends and the arrays in its lines."""
    path = tmp_path / "a.json"
    lines = ['{"a": 1}', '[{"b": "é"}, {"c": 2026}]', '{"cut']
    path.write_text((line_sep or "\r").join(lines), encoding="utf-16")
    source_format = JsonFormat(
        encoding="utf-16", line_sep=line_sep.encode() if line_sep else None
    )

    schema = source_format.infer([str(path)], max_bytes=1000, typed=True)

    assert schema.names == ["a", "b", "c"]


def test_patterns_reach_the_values() -> None:
    """The options of the format are those of its columns."""
    columns = pa.schema([("day", pa.date32()), ("i", pa.int64())])
    content = b'{"day": "31.01.2026"}'
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for multi_line in (False, True):
        part = FileRange("/a", len(content), moment, BytesIO(content), 0, len(content))
        source_format = JsonFormat(multi_line=multi_line, date_format="dd.MM.yyyy")

        (block,) = source_format.parse(part, columns)

        assert block.columns["day"].to_pylist() == [date(2026, 1, 31)]
