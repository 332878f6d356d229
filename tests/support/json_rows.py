"""Rows that the JSON parser makes of a block, and lines that are no records."""

from __future__ import annotations

import json

import pyarrow as pa

from sluice.formats import json as module
from sluice.formats.base import rescued_json
from sluice.formats.json import parse_block, record_lines
from sluice.formats.json_leniency import SPARKS

COLUMNS = pa.schema(
    [
        ("s", pa.string()),
        ("d", pa.float64()),
        ("f", pa.float32()),
        ("i", pa.int64()),
        ("n", pa.int8()),
        ("b", pa.bool_()),
        ("t", pa.struct([("x", pa.int64()), ("y", pa.string())])),
        ("l", pa.list_(pa.field("element", pa.float64()))),
    ]
)
FLAT = pa.schema([field for field in COLUMNS if field.name not in "tl"])


def rows(block: bytes, columns: pa.Schema = COLUMNS) -> list[tuple[dict, str | None]]:
    """Return each row's values that are there, and what of it is rescued."""
    found = []
    for parsed in parse_block(block, columns):
        records = parsed.records or [None] * parsed.columns.num_rows
        values = parsed.columns.to_pylist()
        found += [
            (present(row), rescue(one))
            for row, one in zip(values, records, strict=True)
        ]
    return found


def present(row: dict) -> dict:
    """Return the values that are not null."""
    return {name: value for name, value in row.items() if value is not None}


def rescue(record) -> str | None:
    """Return the rescued text of a record without the path of its file."""
    text = record and rescued_json(record, "/in/a")
    if text is None:
        return None
    assert json.loads(text)["_file_path"] == "/in/a"
    return text.removesuffix('"_file_path":"/in/a"}').removesuffix(",") + "}"


def carefully(block: bytes, columns: pa.Schema) -> list[tuple[dict, str | None]]:
    """Return what :func:`rows` does, by the careful path alone."""
    lines = module._records(record_lines(block), SPARKS)
    if not lines:
        return []
    parsed = module._parse_carefully(lines, columns)
    pairs = zip(parsed.columns.to_pylist(), parsed.records or (), strict=True)
    return [(present(row), rescue(record)) for row, record in pairs]


CORRUPT = [
    b"null",
    b"true",
    b"1",
    b'"text"',
    b'[{"i": 1}',
    b'[{"i": 1}]]',
    b"{",
    b"}",
    b"{]",
    b"nope",
    b'{"i": 1',
    b'{"i": 1,}',
    b'{"i": 01}',
    b'{"i": +1}',
    b'{"d": 1.}',
    b'{"d": .5}',
    b'{"d": 0x10}',
    b'{"d": nan}',
    b'{"d": 1NaN}',
    b"{i: 1}",
    b"{'i': 1",
    b"{'i': 1\"}",
    b'{"i" 1}',
    b'// note {"i": 1}',
    b'{"i": 1 /* one */}',
    b"\0",
    b'{"s": "a\x01b"}',
    b'{"s": "\\x"}',
    b'{"s": "open}',
    b'{"\xff": 1}',
    b'{"\\ud800": 1}',
    b'{"new": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b"\xff\xfe",
]
BEHIND = [b"}", b'{"i": 2}', b', {"i": 2}', b",", b";", b"// note", b"\0", b"null"]
"""What may stand behind an object in its line."""
