"""JSON to Arrow: blocks by pyarrow, odd ones record by record."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from itertools import chain

import msgspec
import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.base import FileRange, Format, ParsedBlock, Split
from sluice.formats.content import read_heads
from sluice.formats.encodings import UTF8, is_wide, to_utf8
from sluice.formats.json_columns import require_names, require_whole
from sluice.formats.json_dialect import PLAIN, Dialect
from sluice.formats.json_infer import (
    Rules,
    merge_types,
    schema_of,
    type_of_block,
    types_of_lines,
    types_of_texts,
)
from sluice.formats.json_leniency import (
    SPARKS,
    Leniency,
    cut,
    skip_comments,
)
from sluice.formats.json_options import OPTIONS
from sluice.formats.json_values import read_records, read_unknown_fields
from sluice.formats.json_variants import VARIANT
from sluice.formats.moments import Formats
from sluice.formats.streams import (
    DEFAULT_CONTENT_BYTES,
    joined,
    line_blocks,
    read_content,
    separated,
)

_CAREFUL_RECORDS = 256
_SPACE = b" \t\r\n"
_NO_OBJECT = (BOM_UTF8, b"[")
_ENDS_OF_RECORDS = (b"}", b"]")
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True)
class JsonFormat(Format):
    """One object a line, or with ``multi_line`` one object or an array of them a file.

    A line may also hold an array, whose elements are records. What is neither is a
    corrupt record.
    """

    name = "json"
    options = OPTIONS
    holds_variants = True
    has_malformed = True

    multi_line: bool = False
    encoding: str = UTF8
    line_sep: bytes | None = None
    date_format: str | None = None
    timestamp_format: str | None = None
    timestamp_ntz_format: str | None = None
    primitives_as_string: bool = False
    prefers_decimal: bool = False
    infers_timestamp: bool = False
    drops_null_fields: bool = False
    max_content_bytes: int = DEFAULT_CONTENT_BYTES
    case_sensitive: bool = True
    rounds: bool = True
    single_quotes: bool = SPARKS.single_quotes
    unquoted_names: bool = SPARKS.unquoted_names
    not_finite: bool = SPARKS.not_finite
    comments: bool = SPARKS.comments
    control_chars: bool = SPARKS.control_chars
    leading_zeros: bool = SPARKS.leading_zeros
    any_escape: bool = SPARKS.any_escape
    variant_column: str | None = None

    @property
    def split(self) -> Split:
        """By lines, but for documents and where no line feed ends them."""
        by_line_feed = self.line_sep in {None, b"\n"} and not is_wide(self.encoding)
        whole = self.multi_line or not by_line_feed
        return Split.NEVER if whole else Split.RANGES

    @property
    def formats(self) -> Formats:
        """The patterns of dates and times."""
        return Formats(
            self.date_format, self.timestamp_format, self.timestamp_ntz_format
        )

    @property
    def is_utf8(self) -> bool:
        """Unless another encoding is named."""
        return self.encoding == UTF8

    @property
    def dialect(self) -> Dialect:
        """What the JSON of its files looks like, and the text of values."""
        leniency = Leniency(
            single_quotes=self.single_quotes,
            unquoted_names=self.unquoted_names,
            not_finite=self.not_finite,
            comments=self.comments,
            control_chars=self.control_chars,
            leading_zeros=self.leading_zeros,
            any_escape=self.any_escape,
        )
        ignores_case = not self.case_sensitive
        return Dialect(
            self.formats, leniency, ignores_case, self.rounds, self.variant_column
        )

    def read_rescued(self, raw: msgspec.Raw, kind: pa.DataType) -> object:
        """Return what fits a column of a value whose text was rescued before."""
        line, columns = b'{"v":%b}' % bytes(raw), pa.schema({"v": kind})
        return read_records([line], columns, self.dialect)[0].values.get("v")

    def require_columns(self, columns: pa.Schema) -> None:
        """Refuse maps whose keys are no strings, as the names of an object are.

        Raises:
            UsageError: there is such a column, or one beside that of whole records.
        """
        require_names(columns)
        if self.variant_column is not None:
            require_whole(columns, self.variant_column)

    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the columns of the objects in a sample, sorted by name."""
        if self.variant_column is not None:
            return pa.schema([(self.variant_column, VARIANT)])
        rules = self._rules(typed=typed)
        heads = read_heads(paths, max_bytes, is_utf8=self.is_utf8)
        if not self.reads_together:
            texts = (to_utf8(head, self.encoding) for head in heads)
            kinds = map(partial(self._types_of_text, rules=rules), texts)
        else:
            pieces = (
                self._whole_lines(head, cut=len(head) >= max_bytes) for head in heads
            )
            blocks = joined(chain.from_iterable(pieces))
            kinds = map(partial(self._types_of_block, rules=rules), blocks)
        return schema_of(chain.from_iterable(kinds), rules)

    def _rules(self, *, typed: bool) -> Rules:
        return Rules(
            typed=typed,
            primitives_as_string=self.primitives_as_string,
            prefers_decimal=self.prefers_decimal,
            timestamps=self.formats if self.infers_timestamp else None,
            drops_nulls=self.drops_null_fields,
            leniency=self.dialect.leniency,
        )

    def exact(self) -> JsonFormat:
        """Return the format whose decimals do not round."""
        return replace(self, rounds=False)

    def types_of_rescued(self, fields: Mapping[str, msgspec.Raw]) -> Sequence[pa.Field]:
        """Return the types that inference gives such values."""
        return types_of_texts(fields, self._rules(typed=True))

    def merge_types(self, left: pa.DataType, right: pa.DataType) -> pa.DataType:
        """Return the narrowest type that holds the values of both."""
        return merge_types(left, right)

    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the objects whose lines begin in ``[start, end)``, or of a document."""
        limit = self.max_content_bytes
        if self.multi_line:
            content = to_utf8(read_content(part.stream, limit), self.encoding)
            yield from parse_document(content, columns, self.dialect)
            return
        parse = partial(parse_lines, columns=columns, dialect=self.dialect)
        yield from chain.from_iterable(map(parse, self._lines(part)))

    def _whole_lines(self, head: bytes, *, cut: bool) -> Iterator[bytes]:
        """Yield blocks of the lines of a head, without one in which it is cut."""
        text = to_utf8(head, self.encoding)
        if cut and not text.rstrip().endswith(_ENDS_OF_RECORDS):
            text = text[: max(map(text.rfind, (b"\n", b"\r"))) + 1]
        for block in line_blocks(BytesIO(text), 0, len(text)):
            # What comes behind it may be of another file.
            yield block if block.endswith(b"\n") else block + b"\n"

    def _types_of_block(self, block: bytes, rules: Rules) -> Iterator[pa.StructType]:
        kind = type_of_block(block, rules)
        if kind is None:
            return types_of_lines(self._cut_records(block), rules)
        return iter([kind])

    def _types_of_text(self, text: bytes, rules: Rules) -> Iterator[pa.StructType]:
        """Yield types that hold the objects of the beginning of a file."""
        lines = _stripped([text]) if self.multi_line else self._cut(text)
        return types_of_lines(_records(lines, self.dialect.leniency), rules)

    def _lines(self, part: FileRange) -> Iterator[list[bytes]]:
        """Yield the lines of a range, block by block."""
        stream, start, end, encoding = part.stream, part.start, part.end, self.encoding
        limit = self.max_content_bytes
        if self.split is Split.NEVER and encoding != UTF8:
            content = to_utf8(read_content(stream, limit), encoding)
            stream, start, end, encoding = BytesIO(content), 0, len(content), UTF8
        if self.line_sep is not None and self.line_sep != b"\n":
            yield from map(_stripped, separated(stream, self.line_sep, limit))
            return
        for block in line_blocks(stream, start, end, limit=limit):
            yield self._cut(to_utf8(block, encoding))

    def _cut_records(self, text: bytes) -> Sequence[bytes]:
        return _records(self._cut(text), self.dialect.leniency)

    def _cut(self, text: bytes) -> list[bytes]:
        ends = self.line_sep
        return record_lines(text) if ends is None else _stripped(text.split(ends))

    @property
    def reads_together(self) -> bool:
        """Where line feeds end the lines, and a file is no document."""
        return not self.multi_line and self.line_sep in {None, b"\n"}

    def parse_together(
        self, contents: Sequence[bytes], columns: pa.Schema, *, rescues: bool
    ) -> tuple[list[ParsedBlock], list[int]]:
        """Return the objects of many small files, which pyarrow reads at once."""
        del rescues
        texts = (to_utf8(content, self.encoding) for content in contents)
        leniency = self.dialect.leniency
        files = [_records(self._cut(text), leniency) for text in texts]
        records = [record for file in files for record in file]
        blocks = _parse_records(records, columns, self.dialect)
        return list(blocks), [len(file) for file in files]


FORMAT = JsonFormat


def parse_block(
    block: bytes, columns: pa.Schema, dialect: Dialect = PLAIN
) -> Iterator[ParsedBlock]:
    """Parse complete lines, one JSON object each, into the types of ``columns``."""
    return parse_lines(record_lines(block), columns, dialect)


def parse_lines(
    lines: Sequence[bytes], columns: pa.Schema, dialect: Dialect = PLAIN
) -> Iterator[ParsedBlock]:
    """Parse lines, each an object or an array of them, without space around it."""
    parsed = _parse_quickly(lines, columns, dialect) if lines else None
    if parsed is not None:
        yield parsed
        return
    records = _records(lines, dialect.leniency)
    parse = _parse_odd if records == lines else _parse_records
    yield from parse(records, columns, dialect)


def record_lines(block: bytes) -> list[bytes]:
    """Return the lines of ``block`` that are not blank, without the space around them.

    A byte-order mark goes wherever a line begins with one, as in files put together.
    """
    return _stripped(block.splitlines())


def _stripped(lines: Iterable[bytes]) -> list[bytes]:
    bare = (line.removeprefix(BOM_UTF8).strip(_SPACE) for line in lines)
    return [line for line in bare if line]


def _records(lines: Sequence[bytes], leniency: Leniency) -> Sequence[bytes]:
    """Return what stands in lines or documents, of arrays the elements.

    There is no space around the lines, and they are not empty.
    """
    if leniency.comments:
        lines = _stripped(skip_comments(line, leniency) for line in lines)
    if not any(line.startswith(_NO_OBJECT) for line in lines):
        return lines
    while any(line.startswith(BOM_UTF8) for line in lines):
        lines = _stripped(lines)
    return [
        record
        for line in lines
        for record in (_elements(line, leniency) if line.startswith(b"[") else [line])
    ]


def parse_document(
    content: bytes, columns: pa.Schema, dialect: Dialect = PLAIN
) -> Iterator[ParsedBlock]:
    """Parse a file that is one JSON object, or one array of them (``multiLine``)."""
    records = _records(_stripped([content]), dialect.leniency)
    return _parse_records(records, columns, dialect)


def _parse_records(
    lines: Sequence[bytes], columns: pa.Schema, dialect: Dialect
) -> Iterator[ParsedBlock]:
    parsed = _parse_quickly(lines, columns, dialect) if lines else None
    if parsed is not None:
        yield parsed
    else:
        yield from _parse_odd(lines, columns, dialect)


def _parse_odd(
    lines: Sequence[bytes], columns: pa.Schema, dialect: Dialect
) -> Iterator[ParsedBlock]:
    """Halve what does not fit: one odd record slows down only its neighbours."""
    if not lines:
        return
    if len(lines) <= _CAREFUL_RECORDS:
        yield _parse_carefully(lines, columns, dialect)
    else:
        middle = len(lines) // 2
        yield from _parse_records(lines[:middle], columns, dialect)
        yield from _parse_records(lines[middle:], columns, dialect)


def _parse_quickly(
    lines: Sequence[bytes], columns: pa.Schema, dialect: Dialect
) -> ParsedBlock | None:
    """Parse records with pyarrow, None where that would lose something."""
    table = _parse_fast(lines, columns, dialect, unexpected="error")
    if table is not None:
        return ParsedBlock(table, None)
    if dialect.ignores_case or any(pt.is_nested(field.type) for field in columns):
        return None  # a field that is new in a nested object would be lost
    table = _parse_fast(lines, columns, dialect, unexpected="ignore")
    if table is None:
        return None
    records = read_unknown_fields(lines, columns, dialect.leniency)
    return None if records is None else ParsedBlock(table, records)


def _elements(array: bytes, leniency: Leniency) -> list[bytes]:
    """Return the elements of an array, well-formed or not.

    An array that does not end, or before the line does, is one record.
    """
    try:
        return [bytes(raw) for raw in _ARRAY.decode(array)]
    except (msgspec.DecodeError, RecursionError):
        parts = cut(array, leniency)
    return [text for _, text in parts.texts] if parts.rest == b"" else [array]


def _parse_fast(
    lines: Sequence[bytes], columns: pa.Schema, dialect: Dialect, *, unexpected: str
) -> pa.Table | None:
    # It loads much that those who only ask for the options of a source do not need.
    from sluice.formats.json_quick import (  # noqa: PLC0415
        are_objects,
        as_read,
        has_infinity,
        is_plain,
        read_objects,
        with_times,
    )

    texts = pa.schema(map(as_read, columns))
    if not all(is_plain(field.type) for field in texts) or not are_objects(lines):
        return None
    block = b"\n".join(lines)
    # It takes these words for numbers, whatever the options say.
    if b"-NaN" in block or (not dialect.leniency.not_finite and b"NaN" in block):
        return None
    table = read_objects(
        block, len(lines), explicit_schema=texts, unexpected_field_behavior=unexpected
    )
    # It makes infinity of an integer with more digits than a float can hold.
    if (
        table is None
        or not table.schema.equals(texts)
        or any(map(has_infinity, table.columns))
    ):
        return None
    return with_times(table, columns, dialect.formats)


def _parse_carefully(
    lines: Sequence[bytes], columns: pa.Schema, dialect: Dialect = PLAIN
) -> ParsedBlock:
    records = read_records(lines, columns, dialect)
    arrays = [
        pa.array([record.values.get(field.name) for record in records], field.type)
        for field in columns
    ]
    return ParsedBlock(pa.Table.from_arrays(arrays, schema=columns), records)
