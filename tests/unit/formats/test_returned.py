from __future__ import annotations

import json
from datetime import date

import msgspec
import pyarrow as pa
import pytest

from sluice.errors import FatalError
from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.formats.returned import add_rescued

INT, DAY = pa.int64(), date(2026, 1, 31)


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        (None, {}, None),
        ('{"a":1}', {}, '{"a":1}'),
        (None, {"a": "1.50"}, '{"a":1.50,"_file_path":"f"}'),
        (
            '{"b":"x","_file_path":"g"}',
            {"a": "1"},
            '{"b":"x","a":1,"_file_path":"g"}',
        ),
        (
            '{"a":{"x":1.10},"_file_path":"f"}',
            {"a": '{"y":2}'},
            '{"a":{"x":1.10,"y":2},"_file_path":"f"}',
        ),
        (
            '{"a":[null,{"x":1}],"_file_path":"f"}',
            {"a": '[{"y":2},{"y":3},{"y":4}]'},
            '{"a":[{"y":2},{"x":1,"y":3},{"y":4}],"_file_path":"f"}',
        ),
        # A map's key that came twice, and what cannot be put together: both stay.
        (
            '{"m":{"k":1},"_file_path":"f"}',
            {"m": '{"k":2}'},
            '{"m":{"k":1,"k":2},"_file_path":"f"}',
        ),
        (
            '{"m":{"k":1,"k":2},"_file_path":"f"}',
            {"m": '{"k":3}'},
            '{"m":{"k":1,"k":2,"k":3},"_file_path":"f"}',
        ),
        (
            '{"a":[1],"_file_path":"f"}',
            {"a": "[2]"},
            '{"a":[1],"a":[2],"_file_path":"f"}',
        ),
    ],
)
def test_nothing_of_either_is_lost(
    text: str | None, values: dict[str, str], expected: str | None
) -> None:
    """The text of numbers stays as it is, and the path of the file is the last."""
    raws = {name: msgspec.Raw(each.encode()) for name, each in values.items()}

    assert add_rescued(text, raws, "f") == expected


def test_row_without_a_file_is_given_none() -> None:
    """Another writer may have appended it."""
    text = add_rescued(None, {"a": msgspec.Raw(b"1")}, None)

    assert json.loads(text or "") == {"a": 1}


def test_text_that_is_no_object_is_refused() -> None:
    """Another writer's; nothing is put in its place."""
    with pytest.raises(FatalError, match="no JSON object: theirs"):
        add_rescued("theirs", {"a": msgspec.Raw(b"1")}, "f")


@pytest.mark.parametrize(
    ("given", "text", "kind"),
    [
        (JsonFormat(), '"/wA="', pa.binary()),
        (CsvFormat(), r'"\u00e4,\""', pa.binary()),
    ],
)
def test_value_is_spelled_so_that_it_is_read_again(
    given: Format, text: str, kind: pa.DataType
) -> None:
    """Bytes are text in a cell, and base64 in JSON."""
    value = given.read_rescued(msgspec.Raw(text.encode()), kind)

    spelled = given.rescued_value(value, kind)

    assert json.loads(bytes(spelled)) == json.loads(text)


@pytest.mark.parametrize(
    ("given", "text", "kind", "value"),
    [
        (JsonFormat(), "5", pa.float64(), 5.0),
        (JsonFormat(), '"odd"', pa.float64(), None),
        (JsonFormat(), '{"x":"odd","y":1}', pa.struct({"x": INT, "y": INT}), {"y": 1}),
        (CsvFormat(), '"5"', INT, 5),
        (CsvFormat(), '"odd"', INT, None),
        # Another writer's: a cell is rescued as a string.
        (CsvFormat(), "5", INT, None),
        (CsvFormat(date_format="dd.MM.yyyy"), '"31.01.2026"', pa.date32(), DAY),
        # Of Parquet the text does not say the type that a value had.
        (ParquetFormat(), "5", INT, None),
    ],
)
def test_rescued_text_is_read_as_its_format_does(
    given: Format, text: str, kind: pa.DataType, value: object
) -> None:
    """With the options of today, which a replay reads with."""
    assert given.read_rescued(msgspec.Raw(text.encode()), kind) == value
