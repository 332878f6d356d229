"""Names in another case than the schema's, where that does not count."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from sluice.formats.base import Format
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from support.bad_files import parquet
from support.parsing import parse_content, records_of

INNER = pa.struct([("Deep", pa.int64())])
FLAT = [("id", pa.int64()), ("Name", pa.string())]
COLUMNS = pa.schema(
    [*FLAT, ("s", INNER), ("l", pa.list_(INNER)), ("m", pa.map_(pa.string(), INNER))]
)
VALUES = {"ID": 1, "name": "a", "S": {"DEEP": 1}, "L": [{"deep": 2}]}
MAP = pa.array(
    [[("Key", {"dEEP": 3})]], pa.map_(pa.string(), pa.struct([("dEEP", "int64")]))
)
WIDE = parquet(**{name: [value] for name, value in VALUES.items()}, M=MAP)
READ = {
    "id": 1,
    "Name": "a",
    "s": {"Deep": 1},
    "l": [{"Deep": 2}],
    "m": [("Key", {"Deep": 3})],
}


def rows(given: Format, content: bytes, columns: pa.Schema) -> tuple[list, list]:
    """Return the rows of a file, and what is rescued of each."""
    blocks = parse_content(given, content, columns)
    found = [row for block in blocks for row in block.columns.to_pylist()]
    rescued = [
        {name: json.loads(bytes(raw)) for name, raw in record.rescued.items()}
        for record in records_of(given, content, columns)
    ]
    return found, rescued


@pytest.mark.parametrize(
    ("given", "content"),
    [
        (JsonFormat, json.dumps(VALUES | {"M": {"Key": {"dEEP": 3}}}).encode()),
        (ParquetFormat, WIDE),
    ],
)
def test_case_of_a_name_may_not_count(given: type[Format], content: bytes) -> None:
    """At every level; keys of a map are values."""
    assert rows(given(case_sensitive=False), content, COLUMNS) == ([READ], [{}])

    read, (rescued,) = rows(given(), content, COLUMNS)
    assert set(read[0].values()) == {None}
    assert set(rescued) == {*VALUES, "M"}


def test_case_of_a_header_may_not_count() -> None:
    """Also where many small files are parsed at once."""
    given, columns = CsvFormat(header=True, case_sensitive=False), pa.schema(FLAT)
    files = [b"ID,name\n1,a\n", b"NAME,id\nb,2\n"]

    assert rows(given, files[0], columns) == ([{"id": 1, "Name": "a"}], [{}])
    blocks, _ = given.parse_together(files, columns, rescues=True)
    assert [block.columns.to_pylist() for block in blocks] == [
        [{"id": 1, "Name": "a"}],
        [{"id": 2, "Name": "b"}],
    ]


@pytest.mark.parametrize(
    ("names", "first"),
    [(["ID", "id", "Id"], "id"), (["ID", "Id"], "ID")],
)
@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_other_cases_of_a_name_are_rescued(
    kind: str, names: list[str], first: str
) -> None:
    """The column's own counts before all others."""
    values = {name: number for number, name in enumerate(names)}
    if kind == "json":
        given, content = JsonFormat(case_sensitive=False), json.dumps(values).encode()
    else:
        given = ParquetFormat(case_sensitive=False)
        content = parquet(**{name: [value] for name, value in values.items()})

    found, rescued = rows(given, content, pa.schema(FLAT))

    assert found == [{"id": values.pop(first), "Name": None}]
    assert rescued == [values]
