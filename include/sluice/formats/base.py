"""What a file format must do to be read by ``cloudFiles``: one module a format.

A format is a frozen value that holds its own options, so that it can be sent to the
workers. ``sluice.formats.registry`` names the module of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, ClassVar

import msgspec
import pyarrow as pa

from sluice.columns import CORRUPT_RECORD, FILE_PATH
from sluice.formats.content import may_be_plain
from sluice.formats.returned import as_record
from sluice.values import Option


class Split(StrEnum):
    """How tasks may share the bytes of one file.

    - ``NEVER``: one task reads all of it;
    - ``RANGES``: ranges may begin at any byte, and the format says to which of them a
      record belongs.
    """

    NEVER = "never"
    RANGES = "ranges"


@dataclass(frozen=True)
class FileRange:
    """The bytes ``[start, end)`` of one landed file, for one task.

    - ``path``, ``size``, ``modified``: the file as it was discovered;
    - ``rescues``: False where no query asks for what does not fit;
    - ``stream``: what it holds, at its beginning, decompressed where the format lets
      files be compressed; it can be sought unless it was.
    """

    path: str
    size: int
    modified: datetime
    stream: BinaryIO
    start: int
    end: int
    rescues: bool = True


class Format(ABC):
    """One file format with the values of its own options, in fields of its own."""

    name: ClassVar[str]
    """What ``cloudFiles.format`` calls it."""
    options: ClassVar[tuple[Option, ...]] = ()
    """Its own rows of the table of options; ``field`` names a field of the class."""
    when_inferred: ClassVar[Mapping[str, str]] = {}
    """What its options are where the schema is inferred, unless they are given."""
    compressible: ClassVar[bool] = True
    """Whether a file is text, which may be compressed as a whole."""
    holds_variants: ClassVar[bool] = False
    """Whether a column may be a VARIANT."""
    has_malformed: ClassVar[bool] = False
    """Whether a record may be malformed, so that it can be dropped and kept."""
    case_sensitive: bool = True
    """Whether a field is found by its name as it is spelled alone."""

    @property
    @abstractmethod
    def split(self) -> Split:
        """How its files may be cut, those that are not compressed."""

    @abstractmethod
    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the columns of a sample of files, no columns where it has no record.

        At most ``max_bytes`` of each file are read. Without ``typed`` every column is
        a string where the format itself has no types. A file that cannot be read is
        passed over with a warning.
        """

    def merge_types(self, left: pa.DataType, right: pa.DataType) -> pa.DataType:
        """Return the type of a field that has these in two samples."""
        del right
        return left

    def exact(self) -> Format:
        """Return the format that rounds no number to a decimal, but lets it not fit."""
        return self

    def types_of_rescued(self, fields: Mapping[str, msgspec.Raw]) -> Sequence[pa.Field]:
        """Return the types that values need which did not fit, by their JSON text.

        None where the format has no types, or its blocks have those of their file.
        """
        del fields
        return ()

    def require_columns(self, columns: pa.Schema) -> None:  # noqa: B027 - most take all
        """Refuse columns that no file of the format can fill, before one is read.

        Raises:
            UsageError: there is such a column.
        """

    @abstractmethod
    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the records of a range in order.

        What has no column, or does not fit it, comes back as a rescued record.

        Raises:
            OSError: the file cannot be read; a ``BadFileError`` where the file itself
                is the reason.
        """

    @property
    def reads_together(self) -> bool:
        """Whether many small files can be parsed in one call."""
        return False

    def parse_together(
        self, contents: Sequence[bytes], columns: pa.Schema, *, rescues: bool
    ) -> tuple[list[ParsedBlock], list[int]]:
        """Return the records of many small files, and how many each of them has.

        - ``contents``: what each file holds, decompressed;
        - ``rescues``: False where no query asks for what does not fit.
        """
        message = f"{self.name} files are read one by one"
        raise NotImplementedError(message)

    def rescued_value(self, value: object, kind: pa.DataType) -> msgspec.Raw:
        """Return the JSON text under which a value of a column would be rescued."""
        return as_record(value, kind)

    def read_rescued(self, raw: msgspec.Raw, kind: pa.DataType) -> object:
        """Return what a column has of a value whose JSON text was rescued before.

        None where nothing fits it, or where the text does not say.
        """
        del raw, kind
        return None

    @property
    def is_utf8(self) -> bool:
        """Whether a byte-order mark may say that a file is UTF-16 or UTF-32."""
        return True

    def can_split(self, path: str) -> bool:
        """Return True if several tasks may share a file, as far as its name says."""
        named_plain = not self.compressible or may_be_plain(path)
        return self.split is Split.RANGES and named_plain


@dataclass(frozen=True)
class Record:
    """One record that did not fit its columns as it is.

    - ``values``: what fitted, empty where the block's columns have it;
    - ``rescued``: the JSON text of the fields that did not;
    - ``new_fields``: the names among them that have no column and might get one;
    - ``corrupt``: the text of a record that cannot be parsed at all;
    - ``text``: the whole record as it was written, where the format is text.
    """

    values: dict[str, object]
    rescued: dict[str, msgspec.Raw]
    new_fields: tuple[str, ...] = ()
    corrupt: str | None = None
    text: bytes | None = None

    @property
    def shown(self) -> str:
        """The record as a person reads it; bytes that are not UTF-8 are escaped."""
        if self.text is None:
            return self.corrupt or ""
        return self.text.decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class ParsedBlock:
    """Rows of one block: typed columns, and a record for each row if one did not fit.

    - ``records``: None where every value fitted, so nothing has to be rescued;
    - ``kinds``: the fields of its file, where that has types of its own.
    """

    columns: pa.Table
    records: list[Record] | None
    kinds: Sequence[pa.Field] = ()

    @property
    def num_rows(self) -> int:
        """The number of rows; a table without columns does not have it."""
        return self.columns.num_rows if self.records is None else len(self.records)


def rescued_json(record: Record, file_path: str) -> str | None:
    """Return what ``_rescued_data`` holds for ``record``, None when all of it fits."""
    rescued: dict[str, object] = dict(record.rescued)
    if record.corrupt is not None:
        rescued[CORRUPT_RECORD] = record.corrupt
    if not rescued:
        return None
    return msgspec.json.encode(rescued | {FILE_PATH: file_path}).decode()
