"""Whatever a file holds or is called: its rows, or an error that names it.

The tables are in ``support``. What is read is also what the audit counts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.audit.counting import count_records
from sluice.discovery.listing import list_landed
from sluice.errors import Condition
from sluice.formats.base import Format
from sluice.options.options import CloudFilesOptions
from support.bad_files import (
    FILE_NAMES,
    FORMATS,
    LINES,
    NAMES,
    NO_PARQUET,
    PARQUET,
    WRAPPED,
    Wrapped,
)
from support.bad_records import RECORDS, Record
from support.reading import METADATA, land, read, refusal, whole

RESCUED = pa.field("_rescued_data", pa.string())
COLUMNS = pa.schema(
    [("id", pa.int64()), ("name", pa.string()), ("d", pa.float64()), RESCUED]
)


def output_of(given: Format) -> pa.Schema:
    """Return the columns that are asked for."""
    return (
        pa.schema([("value", pa.string()), RESCUED])
        if given.name == "text"
        else COLUMNS
    )


def names_read(given: Format, folder: Path, ending: str, content: bytes) -> list:
    """Return the names in the rows of a file, which has nothing to rescue."""
    file = land(folder, f"a{ending}", content)
    rows = read(whole(file), format=given, output=output_of(given))
    assert count_records(file.path, given) == len(rows)
    assert all(row.pop("_rescued_data") is None for row in rows)
    return [row["value"] if given.name == "text" else row["name"] for row in rows]


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("case", WRAPPED, ids=lambda case: case.kind)
def test_good_records_in_odd_files(name: str, case: Wrapped, tmp_path: Path) -> None:
    """All of them, or an error that says which file, and what to do."""
    given, content = FORMATS[name], case.make(LINES[name])

    if case.error is None:
        expected = list(case.names.get(name, NAMES))
        assert names_read(given, tmp_path, case.ending, content) == expected
        return
    file = land(tmp_path, f"a{case.ending}", content)
    error = refusal(whole(file), format=given, output=output_of(given))
    assert error.condition is Condition.BAD_FILE
    assert repr(file.path) in str(error)
    assert case.error in str(error)
    assert "quarantine" in str(error)
    policy = {"goes_on": True, "ignores_corrupt": True}
    assert read(whole(file), format=given, output=output_of(given), **policy) == []


def row_of(record: Record) -> dict[str, object]:
    """Return the row that a record of the table stands for."""
    return dict(zip(COLUMNS.names, [*record, None, None, None, None], strict=False))


def _exact(digits: str) -> int | str:
    """Return a number, as text where Python would not read it."""
    return int(digits) if len(digits) < 1000 else digits


@pytest.mark.parametrize(
    ("name", "content", "records"),
    [pytest.param(*row, id=f"{kind}-{row[0]}") for kind, *row in RECORDS],
)
def test_odd_records(
    name: str, content: bytes, records: Sequence[Record], tmp_path: Path
) -> None:
    """Each costs itself alone, and is rescued to the letter."""
    given, file = FORMATS[name], land(tmp_path, "a", content)

    rows = read(whole(file), format=given, output=COLUMNS)

    for row in rows:
        rescued = json.loads(
            row["_rescued_data"] or "null", parse_float=str, parse_int=_exact
        )
        assert rescued is None or rescued.pop("_file_path") == file.path
        row["_rescued_data"] = rescued
    assert repr(rows) == repr(list(map(row_of, records)))  # NaN is not NaN
    assert count_records(file.path, given) == len(rows)


@pytest.mark.parametrize("name", ["json", "json document"])
def test_record_of_1000_levels_is_read_or_rescued(name: str, tmp_path: Path) -> None:
    """As with Spark the line is about there; which side it is on depends on Python."""
    deep = "[" * 1000 + "]" * 1000
    file = land(tmp_path, "a", f'{{"id":1,"name":{deep}}}'.encode())

    (row,) = read(whole(file), format=FORMATS[name], output=COLUMNS)

    assert deep in (row["name"] or row["_rescued_data"])


@pytest.mark.parametrize("kind", NO_PARQUET)
def test_no_parquet_under_its_name(kind: str, tmp_path: Path) -> None:
    """No row of a file that is not whole, which has its end for a beginning."""
    file = land(tmp_path, "a.parquet", NO_PARQUET[kind])

    error = refusal(whole(file), format=FORMATS["parquet"], output=COLUMNS)

    assert error.condition is Condition.BAD_FILE
    assert repr(file.path) in str(error)


CONTENTS = {
    "json": b'{"id":1,"name":"a"}',
    "csv": b"id,name\n1,a\n",
    "text": b"a",
    "parquet": PARQUET,
    "binaryFile": b"a",
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_of_any_name(name: str, tmp_path: Path) -> None:
    """They are discovered, read, counted, and called what they are called."""
    given = FORMATS[name]
    columns = [("content", pa.binary())] if name == "binaryFile" else output_of(given)
    output = pa.schema([*columns, ("_metadata", METADATA)])
    files = [land(tmp_path, each, CONTENTS[name]) for each in FILE_NAMES]

    found = list_landed(CloudFilesOptions(path=str(tmp_path), schema_location=""))
    rows = [read(whole(file), format=given, output=output) for file in files]

    assert sorted(each.path for each in found) == sorted(file.path for file in files)
    for file, own in zip(files, rows, strict=True):
        assert own
        assert {row["_metadata"]["file_path"] for row in own} == {file.path}
        assert count_records(file.path, given) == len(own)


@pytest.mark.long
@pytest.mark.parametrize("name", ["json", "json document", "csv", "text", "text file"])
def test_line_of_100_megabytes(name: str, tmp_path: Path) -> None:
    """A value of that size is a value; the next record is read as ever."""
    long = b"x" * (100 << 20)
    content = {
        "json": b'{"id":1,"name":"%b"}\n{"id":2,"name":"b"}' % long,
        "json document": b'[{"id":1,"name":"%b"},{"id":2,"name":"b"}]' % long,
        "csv": b"id,name\n1,%b\n2,b\n" % long,
        "text": b"%b\nb\n" % long,
        "text file": long,
    }[name]

    names = names_read(FORMATS[name], tmp_path, "", content)

    assert [len(each) for each in names] == [len(long), 1][: 1 + (name != "text file")]
