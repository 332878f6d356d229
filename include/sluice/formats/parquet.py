"""Parquet to Arrow: row groups by pyarrow, columns by name."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from sluice import storage
from sluice.formats.base import FileRange, Format, ParsedBlock, Record, Split
from sluice.formats.names import CASE, recased_fields
from sluice.formats.parquet_values import (
    fits,
    has_unknown,
    merge_types,
    shape_each,
    spark_type,
    to_json,
    unknown_part,
)
from sluice.formats.streams import BadFileError
from sluice.values import Option, parse_flag, word_of

_BATCH_ROWS, _BATCH_BYTES = 10_000, 32 << 20
# Spark 3 changed the calendar, and with it every day and moment before these.
_FIRST_GREGORIAN_DAY = -141_427
_FIRST_STABLE_SECOND = -2_208_988_800
_LOG = logging.getLogger(__name__)
# By the number of a row in its batch: its fields that do not fit, as JSON.
_Rescued = defaultdict[int, dict[str, msgspec.Raw]]


class RebaseMode(StrEnum):
    """How old dates are read of a file that does not name the Spark that wrote it."""

    CORRECTED = "CORRECTED"
    EXCEPTION = "EXCEPTION"
    LEGACY = "LEGACY"


@dataclass(frozen=True)
class ParquetFormat(Format):
    """Rows of row groups; a group belongs to the range that holds its middle."""

    name = "parquet"
    options = (
        Option(
            name="mergeSchema",
            meaning="either value: inference merges the schemas of its sample",
            parse=parse_flag,
        ),
        Option(
            name="datetimeRebaseMode",
            default="CORRECTED",
            meaning="as Spark's. Old dates are never rebased: a file that a Spark "
            "before 3 wrote, or any without a Spark's name under `LEGACY` or "
            "`EXCEPTION`, is a bad file if it holds a date before 1582-10-15 or a "
            "time before 1900",
            parse=word_of(RebaseMode),
            field="datetime_rebase",
        ),
        Option(
            name="int96RebaseMode",
            default="CORRECTED",
            meaning="the same for times that are kept as INT96",
            parse=word_of(RebaseMode),
            field="int96_rebase",
        ),
        CASE,
    )
    compressible = False
    datetime_rebase: RebaseMode = RebaseMode.CORRECTED
    int96_rebase: RebaseMode = RebaseMode.CORRECTED
    case_sensitive: bool = True

    @property
    def split(self) -> Split:
        """By row groups."""
        return Split.RANGES

    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the columns of the files' footers, which have their own types.

        Of names that differ in case only the first one is a column.
        """
        del max_bytes, typed
        kinds: dict[str, pa.DataType] = {}
        names: dict[str, str] = {}
        with ThreadPoolExecutor(max_workers=8) as readers:
            for schema in readers.map(_read_schema, paths):
                for name, kind in ((each.name, each.type) for each in schema):
                    if names.setdefault(name.lower(), name) == name:
                        kinds[name] = merge_types(kinds.get(name, pa.null()), kind)
        return pa.schema(
            (name, pa.string() if pt.is_null(kind) else kind)
            for name, kind in kinds.items()
        )

    def merge_types(self, left: pa.DataType, right: pa.DataType) -> pa.DataType:
        """Return the narrowest type that holds the values of both."""
        return merge_types(left, right)

    def rescued_value(self, value: object, kind: pa.DataType) -> msgspec.Raw:
        """Return the JSON text of a value; a map is a list of pairs."""
        del kind
        return to_json(value)

    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the rows of the row groups whose middle is in ``[start, end)``."""
        try:
            yield from self._parse(part, columns)
        except pa.ArrowMemoryError:
            raise
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise BadFileError(
                f"it is no Parquet file that can be read: {error}"
            ) from error

    def _parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        file = _open(part.stream)
        found = file.schema_arrow
        _require_distinct(found.names)
        fields = list(found)
        if not self.case_sensitive:
            fields = recased_fields(found, columns)
        called = dict(zip(found.names, fields, strict=True))
        kinds = _spark_fields(file, fields)
        names = [
            name
            for name, field in called.items()
            if part.rescues or _is_wanted(field, columns)
        ]
        for number in _groups_of(file.metadata, part):
            for batch in _batches(file, number, names):
                self._require_calendar(batch, file.metadata.metadata or {})
                mine = batch if self.case_sensitive else _renamed(batch, called)
                block = _block(mine, columns, rescues=part.rescues)
                yield replace(block, kinds=kinds) if block.records else block

    def _require_calendar(
        self, batch: pa.RecordBatch, facts: dict[bytes, bytes]
    ) -> None:
        """Refuse old dates that another calendar may mean."""
        days, moments = _is_legacy(facts)
        if b"org.apache.spark.version" not in facts:
            days = self.datetime_rebase is not RebaseMode.CORRECTED
            moments = days or self.int96_rebase is not RebaseMode.CORRECTED
        if not moments:
            return
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if _is_ancient(values, days=days):
                raise BadFileError(
                    f"column {name!r} holds a date before 1582-10-15, or a time before "
                    "1900, that a Spark before 3 may have written in another calendar; "
                    "write the file again by a newer Spark, or set datetimeRebaseMode "
                    "and int96RebaseMode to CORRECTED where the file does not name one"
                )


FORMAT = ParquetFormat


def _open(stream: object) -> pq.ParquetFile:
    return pq.ParquetFile(
        stream,
        buffer_size=1 << 20,
        coerce_int96_timestamp_unit="us",
        page_checksum_verification=True,
    )


def _is_wanted(field: pa.Field, columns: pa.Schema) -> bool:
    known = field.name in columns.names
    return known and fits(field.type, columns.field(field.name).type)


def _renamed(batch: pa.RecordBatch, called: Mapping[str, pa.Field]) -> pa.RecordBatch:
    """Return a batch whose fields, nested ones too, are called otherwise."""
    fields = [called[name] for name in batch.schema.names]
    arrays = [
        values if values.type.equals(field.type) else values.view(field.type)
        for values, field in zip(batch.columns, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, [field.name for field in fields])


def _batches(
    file: pq.ParquetFile, number: int, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a row group, as many as the footer says that it has."""
    group = file.metadata.row_group(number)
    each_row = max(group.total_byte_size // max(group.num_rows, 1), 1)
    missing = group.num_rows
    for batch in file.iter_batches(
        max(min(_BATCH_ROWS, _BATCH_BYTES // each_row), 1),
        row_groups=[number],
        columns=names,
        use_threads=False,
    ):
        missing -= batch.num_rows
        # Text that is no UTF-8 would make the table one that other readers refuse.
        batch.validate(full=True)
        yield batch
    # pyarrow ends at a page without values as if it were the last one.
    if missing:
        message = f"row group {number} has {group.num_rows} rows, {missing} not found"
        raise ValueError(message)


def _read_schema(path: str) -> list[pa.Field]:
    try:
        with storage.open_input(path) as stream:
            file = _open(stream)
            found = _spark_fields(file, file.schema_arrow)
    except (OSError, pa.ArrowException, ValueError) as error:
        _LOG.warning("schema inference passes over %r: %s", path, error)
        return []
    return found


def _spark_fields(file: pq.ParquetFile, fields: Iterable[pa.Field]) -> list[pa.Field]:
    """Return the fields of a file, which may be called otherwise, as Spark has them."""
    int96 = {each.path for each in file.schema if _is_int96(each)}
    utc = pa.timestamp("us", "UTC")
    kinds = [
        (field.name, utc if name in int96 else spark_type(field.type))
        for name, field in zip(file.schema_arrow.names, fields, strict=True)
    ]
    return [pa.field(name, kind) for name, kind in kinds if kind is not None]


def _is_int96(column: pq.ColumnSchema) -> bool:
    return bool(column.physical_type == "INT96")


def _require_distinct(names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadFileError(f"it has two columns called {twice[0]!r}")


def _groups_of(facts: pq.FileMetaData, part: FileRange) -> Iterator[int]:
    """Yield the numbers of the row groups that belong to a range of a file.

    They are taken to be as long in the file as the footer says that they are in memory:
    asking where one begins ends the process where its statistics are damaged.
    """
    count = facts.num_row_groups
    sizes = [max(facts.row_group(each).total_byte_size, 1) for each in range(count)]
    ends = list(accumulate(sizes))
    for number, (size, end) in enumerate(zip(sizes, ends, strict=True)):
        middle = (end - size // 2 - 1) * part.size // ends[-1]
        if part.start <= middle < part.end:
            yield number


def _is_legacy(facts: dict[bytes, bytes]) -> tuple[bool, bool]:
    """Return if days, and if moments, are in the calendar of a Spark before 3."""
    text = facts.get(b"org.apache.spark.version", b"99").decode()
    version = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    days = version < (3, 0) or b"org.apache.spark.legacyDateTime" in facts
    int96 = version < (3, 1) or b"org.apache.spark.legacyINT96" in facts
    return days, days or int96


def _is_ancient(values: pa.Array, *, days: bool) -> bool:
    kind = values.type
    if pt.is_struct(kind):
        return any(_is_ancient(each, days=days) for each in values.flatten())
    if pt.is_map(kind):
        return _is_ancient(values.items, days=days)
    if pt.is_list(kind):
        return _is_ancient(values.flatten(), days=days)
    if pt.is_date32(kind) and days:
        oldest = pc.min(values.cast(pa.int32())).as_py()
        return oldest is not None and oldest < _FIRST_GREGORIAN_DAY
    if pt.is_timestamp(kind):
        moments = values.cast(pa.timestamp("s", kind.tz), safe=False)
        oldest = pc.min(moments.cast(pa.int64())).as_py()
        return oldest is not None and oldest < _FIRST_STABLE_SECOND
    return False


def _block(batch: pa.RecordBatch, columns: pa.Schema, *, rescues: bool) -> ParsedBlock:
    """Return the rows of a batch, with a record for each if anything was left over."""
    rescued: _Rescued = defaultdict(dict)
    found = dict(zip(batch.schema.names, batch.columns, strict=True))
    new = [name for name in found if name not in columns.names]
    arrays = {}
    for column in columns:
        values = found.get(column.name)
        if values is None:
            arrays[column.name] = pa.nulls(batch.num_rows, column.type)
        else:
            arrays[column.name] = _fill(values, column, rescued, rescues=rescues)
    for name in new if rescues else ():
        _rescue(rescued, name, enumerate(found[name].to_pylist()))
    # A table without columns has no rows.
    table = pa.table(arrays or {"": pa.nulls(batch.num_rows)})
    if not rescued:
        return ParsedBlock(table, None)
    rows = (rescued.get(number, {}) for number in range(batch.num_rows))
    records = [
        Record({}, each, tuple(name for name in new if name in each)) for each in rows
    ]
    return ParsedBlock(table, records)


def _fill(
    values: pa.Array,
    column: pa.Field,
    rescued: _Rescued,
    *,
    rescues: bool,
) -> pa.Array:
    """Return the values of a column, and rescue what does not fit it."""
    name, kind = column.name, column.type
    if not fits(values.type, kind):
        if rescues:
            _rescue(rescued, name, enumerate(values.to_pylist()))
        return pa.nulls(len(values), kind)
    shaped, odd = shape_each(values, kind)
    if rescues and has_unknown(values.type, kind):
        rest = (unknown_part(each, kind) for each in values.to_pylist())
        _rescue(rescued, name, enumerate(rest))
    _rescue(rescued, name, ((number, values[number].as_py()) for number in odd))
    return shaped


def _rescue(rescued: _Rescued, name: str, values: Iterable[tuple[int, object]]) -> None:
    for number, value in values:
        if value is not None:
            rescued[number][name] = to_json(value)
