"""Text to Arrow: one string column, a line or a whole file a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from sluice.errors import Condition, UsageError
from sluice.formats.base import FileRange, Format, ParsedBlock, Record, Split
from sluice.formats.streams import (
    CONTENT_LIMIT,
    DEFAULT_CONTENT_BYTES,
    line_blocks,
    read_content,
    separated,
)
from sluice.values import Option, parse_flag

_BOM = b"\xef\xbb\xbf"
_SCHEMA = pa.schema([("value", pa.string())])


def _parse_separator(text: str) -> bytes:
    if not text:
        message = "at least one character"
        raise ValueError(message)
    return text.encode()


@dataclass(frozen=True)
class TextFormat(Format):
    r"""A row for each line, or with ``whole_text`` for each file that is not empty.

    Lines end as ``line_sep`` says, where it says nothing at ``\n``, ``\r\n`` or
    ``\r``; blank lines are rows.
    """

    name = "text"
    options = (
        Option(
            name="wholeText",
            default="false",
            meaning="a file is one row, and not each of its lines",
            parse=parse_flag,
            field="whole_text",
        ),
        Option(
            name="lineSep",
            meaning=r"what ends a line. Files with another one than `\n` are read by "
            r"one task each",
            otherwise=r"`\n`, `\r\n`, `\r`",
            parse=_parse_separator,
            field="line_sep",
        ),
        Option(
            name="encoding",
            aliases=("charset",),
            default="UTF-8",
            meaning="what the bytes of a file stand for",
            instead="read binaryFile, and use `decode` and `split` in the query",
            only="utf-8",
        ),
        CONTENT_LIMIT,
    )
    whole_text: bool = False
    line_sep: bytes | None = None
    max_content_bytes: int = DEFAULT_CONTENT_BYTES

    @property
    def split(self) -> Split:
        """By lines that end at a line feed, as both defaults do."""
        by_line_feed = self.line_sep in {None, b"\n"}
        return Split.RANGES if by_line_feed and not self.whole_text else Split.NEVER

    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the one column ``value``; no file is read."""
        del paths, max_bytes, typed
        return _SCHEMA

    def require_columns(self, columns: pa.Schema) -> None:
        """Refuse all but one string column, which may have any name, as with Spark.

        Raises:
            UsageError: there is another column.
        """
        wrong = [each.name for each in columns if each.type != pa.string()]
        wrong += columns.names[1:]
        if wrong:
            raise UsageError(
                Condition.SCHEMA_UNSUPPORTED,
                "cloudFiles: format 'text' gives one string column, called 'value' "
                f"where no schema is given; the schema has also {wrong[0]!r}: leave "
                "it out, or set cloudFiles.format to what the files are",
                {"column": wrong[0]},
            )

    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the lines that begin in ``[start, end)``, or the file as one row."""
        # A query may ask for nothing but the columns that reading itself adds.
        name = (columns.names or _SCHEMA.names)[0]
        for lines in self._lines(part):
            yield _block(lines, name)

    def _lines(self, part: FileRange) -> Iterator[list[bytes]]:
        if self.whole_text:
            size = part.size if part.end <= part.size else None
            content = read_content(part.stream, self.max_content_bytes, size=size)
            yield [content] if part.size else []
        elif self.split is Split.RANGES:
            limit = self.max_content_bytes
            blocks = line_blocks(part.stream, part.start, part.end, limit=limit)
            for number, block in enumerate(blocks):
                first = number == part.start == 0
                yield self._cut(block.removeprefix(_BOM) if first else block)
        elif self.line_sep:
            yield from separated(part.stream, self.line_sep, self.max_content_bytes)

    def _cut(self, block: bytes) -> list[bytes]:
        if self.line_sep is None:
            return block.splitlines()
        return block.removesuffix(b"\n").split(b"\n") if block else []


FORMAT = TextFormat


def _block(lines: Sequence[bytes], name: str) -> ParsedBlock:
    raw = pa.array(lines, pa.binary())
    try:
        return ParsedBlock(pa.table({name: raw.cast(pa.string())}), None)
    except pa.ArrowInvalid:
        shown = [line.decode("utf-8", "replace") for line in lines]
        records = [_record(line, name) for line in lines]
        return ParsedBlock(pa.table({name: pa.array(shown, pa.string())}), records)


def _record(line: bytes, name: str) -> Record:
    """Rescue a line that is not UTF-8, of which the column cannot show each byte."""
    try:
        line.decode()
    except UnicodeDecodeError:
        exact = line.decode("utf-8", "backslashreplace")
        return Record({}, {name: msgspec.Raw(msgspec.json.encode(exact))})
    return Record({}, {})
