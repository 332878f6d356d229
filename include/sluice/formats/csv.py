"""CSV to Arrow: columns by the names of the header, or by position."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from itertools import groupby
from operator import itemgetter
from typing import BinaryIO

import msgspec
import pyarrow as pa

from sluice.errors import Condition, UsageError
from sluice.formats.base import FileRange, Format, ParsedBlock, Split
from sluice.formats.content import read_heads
from sluice.formats.csv_blocks import (
    count_lines,
    first_record,
    plain_lines,
    plain_records,
    written,
)
from sluice.formats.csv_columns import Layout, fill_columns, header_names
from sluice.formats.csv_infer import infer_columns, merge_types, type_of_cells
from sluice.formats.csv_options import OPTIONS
from sluice.formats.csv_tokens import Cells, Dialect, OddQuotes
from sluice.formats.csv_values import can_hold, convert
from sluice.formats.csv_variants import fill_variants
from sluice.formats.encodings import UTF8, is_wide, to_utf8
from sluice.formats.json_columns import require_whole
from sluice.formats.json_variants import VARIANT, is_variant
from sluice.formats.moments import Formats
from sluice.formats.names import recased
from sluice.formats.returned import as_cell
from sluice.formats.streams import (
    DEFAULT_CONTENT_BYTES,
    ended,
    line_blocks,
    read_content,
    read_line,
)
from sluice.values import invalid_value_error

_SPACE = bytes(range(33))


@dataclass(frozen=True)
class _Top:
    """What is before the records of a file.

    - ``names``: those of the header, None without one;
    - ``rest``: what a line that begins at ``begin`` has beside;
    - ``position``: where the line behind begins.
    """

    names: list[str] | None
    rest: bytes
    begin: int
    position: int


@dataclass(frozen=True)
class CsvFormat(Format):
    """A record a line, or with ``multi_line`` one that goes on in quotes.

    With a ``header`` its names say which cell belongs to which column, without one the
    order of the columns does.
    """

    name = "csv"
    options = OPTIONS
    has_malformed = True
    holds_variants = True
    when_inferred = {"header": "true"}  # noqa: RUF012 - of the class, never changed

    header: bool = False
    separator: str = ","
    quote: str = '"'
    escape: str = "\\"
    comment: str = ""
    null_value: str = ""
    empty_value: str = ""
    encoding: str = "utf-8"
    multi_line: bool = False
    skip_rows: int = 0
    trims_start: bool = False
    trims_end: bool = False
    odd_quotes: OddQuotes = OddQuotes.STOP_AT_DELIMITER
    date_format: str | None = None
    timestamp_format: str | None = None
    timestamp_ntz_format: str | None = None
    max_columns: int = 20480
    variant_column: str | None = None
    max_content_bytes: int = DEFAULT_CONTENT_BYTES
    case_sensitive: bool = True
    rounds: bool = True

    def __post_init__(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            UsageError: cells are cut back that may hold the ends of records.
        """
        if self.multi_line and self.odd_quotes is OddQuotes.BACK_TO_DELIMITER:
            raise invalid_value_error(
                "option 'unescapedQuoteHandling'",
                self.odd_quotes,
                "another value, as 'multiLine' is true",
            )

    @property
    def split(self) -> Split:
        """By lines, but for documents and for bytes that mean no line ends."""
        whole = self.multi_line or is_wide(self.encoding)
        return Split.NEVER if whole else Split.RANGES

    @property
    def dialect(self) -> Dialect:
        """How records are written."""
        return Dialect(
            separator=self.separator,
            quote=self.quote,
            escape=self.escape,
            multi_line=self.multi_line,
            trims_start=self.trims_start,
            trims_end=self.trims_end,
            odd_quotes=self.odd_quotes,
        )

    def require_columns(self, columns: pa.Schema) -> None:
        """Refuse columns of types that no cell can have.

        Raises:
            UsageError: there is such a column, or one beside that of whole records.
        """
        if self.variant_column is not None:
            require_whole(columns, self.variant_column)
            return
        for column in columns:
            if not can_hold(column.type):
                kind = "variant" if is_variant(column.type) else str(column.type)
                raise UsageError(
                    Condition.SCHEMA_UNSUPPORTED,
                    f"cloudFiles: column {column.name!r} of type {kind} cannot be read "
                    "from CSV; declare it as a string and convert it later",
                    {"column": column.name, "type": kind},
                )

    @property
    def is_utf8(self) -> bool:
        """Unless another encoding is named."""
        return self.encoding == UTF8

    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the columns of the sample's files, in the order of their headers."""
        if self.variant_column is not None:
            return pa.schema([(self.variant_column, VARIANT)])
        samples = (
            self._sample(head, cut=len(head) >= max_bytes)
            for head in read_heads(paths, max_bytes, is_utf8=self.is_utf8)
        )
        return infer_columns(samples, self._layout(()), typed=typed)

    def exact(self) -> CsvFormat:
        """Return the format whose decimals do not round."""
        return replace(self, rounds=False)

    def types_of_rescued(self, fields: Mapping[str, msgspec.Raw]) -> Sequence[pa.Field]:
        """Return the types that inference gives cells with such texts."""
        texts = {name: msgspec.json.decode(raw) for name, raw in fields.items()}
        layout = self._layout(())
        return [
            pa.field(name, type_of_cells(pa.array([text], pa.string()), layout))
            for name, text in texts.items()
        ]

    def merge_types(self, left: pa.DataType, right: pa.DataType) -> pa.DataType:
        """Return the narrowest type that holds the values of both."""
        return merge_types(left, right, self._layout(()).formats)

    def rescued_value(self, value: object, kind: pa.DataType) -> msgspec.Raw:
        """Return the text of a cell, as the JSON string that it is rescued as."""
        return as_cell(value, kind)

    def read_rescued(self, raw: msgspec.Raw, kind: pa.DataType) -> object:
        """Return the value of a cell whose text was rescued before."""
        if not bytes(raw).startswith(b'"'):
            return None
        texts = pa.array([msgspec.json.decode(raw, type=str)])
        found, _ = convert(texts, kind, self._layout(()).formats)
        return found[0].as_py()

    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the records whose lines begin in ``[start, end)``, or of a document."""
        names, blocks = self._open(part.stream, part.start, part.end)
        layout = self._layout(self._named(names, columns))
        for block in filter(None, blocks):
            yield self._fill(block, columns, layout, rescues=part.rescues)

    def _fill(
        self, block: bytes, columns: pa.Schema, layout: Layout, *, rescues: bool
    ) -> ParsedBlock:
        if self.variant_column is not None:
            return fill_variants(block, self.variant_column, layout)
        return fill_columns(block, columns, layout, rescues=rescues)

    @property
    def reads_together(self) -> bool:
        """Not documents, in which a quote that is not closed takes the rest."""
        return not self.multi_line

    def parse_together(
        self, contents: Sequence[bytes], columns: pa.Schema, *, rescues: bool
    ) -> tuple[list[ParsedBlock], list[int]]:
        """Return the records of many small files; those with one header are a block."""
        parsed: list[ParsedBlock] = []
        counts: list[int] = []
        files = map(self._lines_of, contents)
        for names, group in groupby(files, key=itemgetter(0)):
            layout = self._layout(self._named(names, columns))
            block, found = self._plain_files([lines for _, lines in group])
            counts += found
            if block:
                parsed.append(self._fill(block, columns, layout, rescues=rescues))
        return parsed, counts

    def _named(self, names: list[str] | None, columns: pa.Schema) -> list[str]:
        """Return what the cells of a file are called, by its header if it has one."""
        if self.variant_column is not None:
            return names or []
        if names is None or self.case_sensitive:
            return columns.names if names is None else names
        return recased(names, columns.names)

    def _lines_of(self, content: bytes) -> tuple[list[str] | None, bytes]:
        """Return the names of a header, None without one, and the lines of a file."""
        encoding = self.encoding
        if is_wide(encoding):
            content, encoding = to_utf8(content, encoding), "utf-8"
        names, blocks = self._split_top(BytesIO(content), 0, len(content), encoding)
        return names, ended(b"".join(blocks))

    def _plain_files(self, files: Sequence[bytes]) -> tuple[bytes, list[int]]:
        """Return the records of files, and how many each of them has."""
        whole = b"".join(files)
        if b"\r" not in whole:
            plain = self._plain(whole)
            # Where no line is left out, each is a record.
            if plain.count(b"\n") == whole.count(b"\n"):
                return plain, [each.count(b"\n") for each in files]
        each_plain = [ended(self._plain(each)) for each in files]
        dialect = written(self.dialect)
        return b"".join(each_plain), [count_lines(each, dialect) for each in each_plain]

    def _plain(self, block: bytes) -> bytes:
        return plain_lines(block, self.dialect, self.comment.encode())

    def _layout(self, names: Sequence[str]) -> Layout:
        return Layout(
            names=tuple(names),
            dialect=written(self.dialect),
            null_value=self.null_value,
            empty_value=self.empty_value,
            formats=Formats(
                self.date_format, self.timestamp_format, self.timestamp_ntz_format
            ),
            max_columns=self.max_columns,
            rounds=self.rounds,
        )

    def _sample(
        self, head: bytes, *, cut: bool
    ) -> tuple[list[str] | None, Iterator[bytes]]:
        """Return names and blocks of a file's beginning, without a line cut off."""
        if cut and not is_wide(self.encoding):
            head = head[: head.rfind(b"\n") + 1]
        return self._open(BytesIO(head), 0, len(head))

    def _open(
        self, stream: BinaryIO, start: int, end: int
    ) -> tuple[list[str] | None, Iterator[bytes]]:
        """Return the header's names, None without one, and the blocks of a range."""
        if self.split is Split.RANGES:
            return self._open_lines(stream, start, end, self.encoding)
        content = read_content(stream, self.max_content_bytes)
        content = to_utf8(content, self.encoding)
        if self.multi_line:
            return self._open_document(content.removeprefix(BOM_UTF8))
        return self._open_lines(BytesIO(content), 0, len(content), "utf-8")

    def _open_lines(
        self, stream: BinaryIO, start: int, end: int, encoding: str
    ) -> tuple[list[str] | None, Iterator[bytes]]:
        names, blocks = self._split_top(stream, start, end, encoding)
        return names, map(self._plain, blocks)

    def _split_top(
        self, stream: BinaryIO, start: int, end: int, encoding: str
    ) -> tuple[list[str] | None, Iterator[bytes]]:
        """Return the header's names, None without one, and the lines as they are."""
        top = self._read_top(stream, encoding)

        def blocks() -> Iterator[bytes]:
            if start <= top.begin < end:
                yield top.rest
            yield from line_blocks(
                stream, start, end, position=top.position, limit=self.max_content_bytes
            )

        unmarked = _without_mark(blocks(), first=start + top.position == 0)
        return top.names, (to_utf8(block, encoding) for block in unmarked)

    def _read_top(self, stream: BinaryIO, encoding: str) -> _Top:
        """Read what is before the records, from the beginning of a file."""
        position, skip = 0, self.skip_rows
        if not self.header and not skip:
            return _Top(None, b"", -1, 0)
        while line := read_line(stream, self.max_content_bytes):
            begin, position = position, position + len(line)
            line = line if begin else line.removeprefix(BOM_UTF8)
            # Lone carriage returns end records as well.
            pieces = line.splitlines(keepends=True)
            for number, piece in enumerate(pieces, 1):
                if skip:
                    skip -= 1
                elif not self.header:
                    rest = b"".join(pieces[number - 1 :])
                    return _Top(None, rest, begin, position)
                elif names := self._names(to_utf8(piece, encoding)):
                    return _Top(names, b"".join(pieces[number:]), begin, position)
        return _Top([] if self.header else None, b"", -1, position)

    def _names(self, line: bytes) -> list[str]:
        """Return the names of a header, none of a line that is blank or a comment."""
        line = line.rstrip(b"\r\n")
        comment = self.comment.encode()
        if not line.strip(_SPACE) or (comment and line.startswith(comment)):
            return []
        return list(_cut_header(line, self.dialect))

    def _open_document(
        self, content: bytes
    ) -> tuple[list[str] | None, Iterator[bytes]]:
        if self.skip_rows:
            content = b"".join(content.splitlines(keepends=True)[self.skip_rows :])
        dialect, comment = self.dialect, self.comment.encode()
        if not self.header:
            return None, plain_records(content, dialect, comment)
        cells, position = first_record(content, dialect, comment)
        return header_names(cells), plain_records(content[position:], dialect, comment)


FORMAT = CsvFormat


@lru_cache(maxsize=8)
def _cut_header(line: bytes, dialect: Dialect) -> list[str]:
    """Return the names of a header, which in many files is the same."""
    return header_names(Cells(line.decode("latin-1"), dialect))


def _without_mark(blocks: Iterator[bytes], *, first: bool) -> Iterator[bytes]:
    """Yield blocks; the ``first`` of a file without its byte-order mark."""
    for block in blocks:
        yield block.removeprefix(BOM_UTF8) if first else block
        first = False
