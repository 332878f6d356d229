"""What happens to one field, by mode, change and format: read as a task reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.pandas.types import from_arrow_type

from sluice.errors import Condition, RetryableError, SluiceError
from sluice.model import LedgerFile, SeqRange
from sluice.options.table import EvolutionMode
from sluice.reading.partition import FileSlice
from sluice.source.datasource import CloudFilesDataSource, SlicePartition
from sluice.versions import release

FORMATS = ("json", "csv", "parquet")
MODES = tuple(EvolutionMode)
AT = datetime(2026, 1, 1, tzinfo=UTC)
HUGE = 12345678901234567890
Values = Mapping[str, Any]
Read = Callable[["Landing"], pa.Table]


@dataclass(frozen=True)
class Case:
    """One change from a file to the next.

    - ``path``: to the value that is looked at, in the second file's record;
    - ``before``, ``after``: the records; without ``after`` the value is missing there;
    - ``folders``: those that the files are in;
    - ``formats``: those that have such fields.
    """

    title: str
    path: tuple[str | int, ...]
    before: Values
    after: Values
    folders: tuple[str, str] = ("", "")
    formats: Sequence[str] = FORMATS

    @property
    def expected(self) -> object:
        """The value that the second file has, None where it has none."""
        if self.folders[1]:
            keys = dict(each.split("=") for each in self.folders[1].split("/"))
            return keys.get(str(self.path[0]))
        return value_at(self.after, self.path)


NESTED = ("json", "parquet")
INT = pa.scalar(1, pa.int32())
CASES = (
    Case("new", ("new",), {"id": 1}, {"id": 2, "new": 5}),
    Case("missing", ("a",), {"id": 1, "a": 5}, {"id": 2}),
    Case("wider", ("a",), {"a": 1}, {"a": HUGE}, formats=("json", "csv")),
    Case("wider", ("a",), {"a": INT}, {"a": 5}, formats=("parquet",)),
    Case("fraction", ("a",), {"a": 1}, {"a": 2.5}),
    Case("narrower", ("a",), {"a": 1.5}, {"a": 1.0}, formats=("json", "csv")),
    Case("narrower", ("a",), {"a": 5}, {"a": INT}, formats=("parquet",)),
    Case("other type", ("a",), {"a": 1}, {"a": "text"}),
    Case("renamed", ("b",), {"id": 1, "a": 5}, {"id": 2, "b": 5}),
    Case("in another case", ("A",), {"id": 1, "a": 5}, {"id": 2, "A": 5}),
    Case(
        "new, nested",
        ("s", "y"),
        {"s": {"x": 1}},
        {"s": {"x": 1, "y": 5}},
        formats=NESTED,
    ),
    Case(
        "new, in an array",
        ("l", 0, "y"),
        {"l": [{"x": 1}]},
        {"l": [{"x": 1, "y": 5}]},
        formats=NESTED,
    ),
    Case(
        "wider, in an array",
        ("l", 0, "x"),
        {"l": [{"x": 1}]},
        {"l": [{"x": HUGE}]},
        formats=("json",),
    ),
    Case(
        "wider, in an array",
        ("l", 0, "x"),
        {"l": pa.array([{"x": 1}], pa.struct([("x", pa.int32())]))},
        {"l": [{"x": 5}]},
        formats=("parquet",),
    ),
    Case("new folder", ("k",), {"id": 1}, {"id": 2}, ("d=1", "d=1/k=x")),
    Case("folder missing", ("k",), {"id": 1}, {"id": 2}, ("d=1/k=x", "d=1")),
    Case("folder, wider", ("d",), {"id": 1}, {"id": 2}, ("d=1", "d=5000000000")),
)


def value_at(record: object, path: Sequence[str | int]) -> object:
    """Return the value of a nested field, None where there is none."""
    for step in path:
        if isinstance(record, Mapping):
            record = record.get(step)
        elif isinstance(record, list) and isinstance(step, int) and step < len(record):
            record = record[step]
        else:
            return None
    return record


@dataclass
class Landing:
    """A folder with the two files of a case, which land one after the other."""

    root: Path
    format: str
    mode: EvolutionMode
    case: Case
    files: list[LedgerFile] = field(default_factory=list)

    def land(self) -> None:
        """Land the next file."""
        number = len(self.files)
        record = (self.case.before, self.case.after)[number]
        path = self.root / "in" / self.case.folders[number] / f"{number}.{self.format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, record, self.format)
        os.utime(path, (AT.timestamp(), AT.timestamp()))
        size = path.stat().st_size
        self.files.append(LedgerFile(number + 1, str(path), size, AT))

    @property
    def options(self) -> dict[str, str]:
        """The options of the stream, as Spark hands them over."""
        return {
            "path": str(self.root / "in"),
            "cloudFiles.format": self.format,
            "cloudFiles.schemaLocation": str(self.root / "schemas"),
            "cloudFiles.schemaEvolutionMode": self.mode.value,
            "cloudFiles.inferColumnTypes": "true",
        }


def write(path: Path, record: Values, kind: str) -> None:
    """Write a file of one record."""
    if kind == "parquet":
        columns = {
            name: pa.array([each.as_py()], each.type)
            if isinstance(each, pa.Scalar)
            else pa.array([each.to_pylist()], pa.list_(each.type))
            if isinstance(each, pa.Array)
            else [each]
            for name, each in record.items()
        }
        pq.write_table(pa.table(columns), path)
    elif kind == "csv":
        path.write_text(f"{','.join(record)}\n{','.join(map(str, record.values()))}\n")
    else:
        path.write_text(json.dumps(record))


@dataclass
class OneBatch:
    """A ledger of one micro-batch, with no more than a task asks for."""

    read: Sequence[LedgerFile]
    root: str

    def claimed_end(self, start: int) -> int:
        """Return the end of the micro-batch."""
        return start + len(self.read)

    def files(self, after: int, up_to: int) -> list[LedgerFile]:
        """Return its files."""
        return [file for file in self.read if after < file.seq <= up_to]

    def left_out(self) -> dict[int, object]:
        """Return that none is left out."""
        return {}


def read_once(landing: Landing) -> pa.Table:
    """Return the rows of the newest file, as a query reads it that begins now."""
    # What Java says to Python; the rows go to no table.
    source = CloudFilesDataSource(landing.options | {"sluice.checkstypes": "true"})
    reader = source.streamReader(source.schema())
    file = landing.files[-1]
    ledger: Any = OneBatch([file], str(landing.root / "ledger"))
    batch = SeqRange(file.seq - 1, file.seq)
    slices = [FileSlice(file, 0, file.size)]
    partition = SlicePartition(slices, ledger, batch, release())
    return pa.Table.from_batches(reader.read(partition))


def outcome(landing: Landing, read: Read = read_once) -> str:
    """Return what becomes of the value that the second file has."""
    landing.land()
    before = read(landing)
    landing.land()
    after, error = read_or_error(landing, read)
    evolved = isinstance(error, RetryableError)
    if evolved:
        after, error = read(landing), None
    if after is None:
        return "ends the query"
    (row,) = after.to_pylist()
    case = landing.case
    kinds = [kind_at(each.schema, case.path) for each in (before, after)]
    return describe(case, row, kinds, evolved=evolved)


def read_or_error(
    landing: Landing, read: Read
) -> tuple[pa.Table | None, SluiceError | None]:
    """Return the rows, or the error of new fields that the query ends with."""
    try:
        return read(landing), None
    except SluiceError as error:
        if error.condition is not Condition.UNKNOWN_FIELD_EXCEPTION:
            raise
        return None, error


def describe(
    case: Case, row: Values, kinds: Sequence[str | None], *, evolved: bool
) -> str:
    """Return in words where a value is, held against what the file has."""
    found, expected = value_at(row, case.path), case.expected
    if isinstance(expected, pa.Scalar):
        expected = expected.as_py()
    rescued = json.loads(row.get("_rescued_data") or "{}")
    was, now = kinds
    if found is not None:
        assert str(found) == str(expected) or found == expected
        assert case.path[0] not in rescued
        assert evolved is (was != now)
        if was is None:
            return f"is added, `{now}`"
        return f"is read, as `{now}`" if was == now else f"`{was}` becomes `{now}`"
    assert not evolved
    if expected is None:
        return "null"
    if case.path[0] in rescued:
        return "rescued"
    return "passed over"


def kind_at(schema: pa.Schema, path: Sequence[str | int]) -> str | None:
    """Return the type of a field as SQL writes it, None where there is none."""
    kind: pa.DataType = pa.struct(list(schema))
    for step in path:
        if isinstance(step, int):
            kind = kind.value_type
        elif kind.get_field_index(step) < 0:
            return None
        else:
            kind = kind.field(step).type
    return str(from_arrow_type(kind).simpleString())
