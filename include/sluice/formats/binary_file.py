"""Whole files as rows: path, modification time, length and bytes, as Spark's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sluice.errors import Condition, UsageError
from sluice.formats.base import FileRange, Format, ParsedBlock, Split
from sluice.formats.streams import CONTENT_LIMIT, DEFAULT_CONTENT_BYTES, read_content
from sluice.paths import is_local

_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("modificationTime", pa.timestamp("us", tz="UTC")),
        ("length", pa.int64()),
        ("content", pa.binary()),
    ]
)


@dataclass(frozen=True)
class BinaryFileFormat(Format):
    """One row a file that is not empty, with its bytes as they are, also compressed."""

    name = "binaryFile"
    options = (CONTENT_LIMIT,)
    compressible = False
    max_content_bytes: int = DEFAULT_CONTENT_BYTES

    @property
    def split(self) -> Split:
        """A file is one row."""
        return Split.NEVER

    def infer(self, paths: Sequence[str], *, max_bytes: int, typed: bool) -> pa.Schema:
        """Return the four columns; no file is read."""
        del paths, max_bytes, typed
        return _SCHEMA

    def require_columns(self, columns: pa.Schema) -> None:
        """Refuse all but Spark's four columns, of which some may be left out.

        Raises:
            UsageError: there is another column, or one of another type.
        """
        known = {each.name: each.type for each in _SCHEMA}
        for column in columns:
            if known.get(column.name) != column.type:
                raise UsageError(
                    Condition.SCHEMA_UNSUPPORTED,
                    "cloudFiles: format 'binaryFile' gives path string, "
                    "modificationTime timestamp, length bigint, content binary; "
                    f"the schema has {column.name!r} of type {column.type}: leave it "
                    "out",
                    {"column": column.name, "type": str(column.type)},
                )

    def parse(self, part: FileRange, columns: pa.Schema) -> Iterator[ParsedBlock]:
        """Yield the one row of a file; its bytes are read where they are asked for."""
        if not part.size:
            return  # Spark passes over empty files in every format
        modified = part.modified
        row: dict[str, object] = {
            "path": f"file:{part.path}" if is_local(part.path) else part.path,
            # Spark's file systems know milliseconds.
            "modificationTime": modified.replace(
                microsecond=modified.microsecond // 1000 * 1000
            ),
            "length": part.size,
        }
        if "content" in columns.names:
            limit = self.max_content_bytes
            row["content"] = read_content(part.stream, limit, size=part.size)
        yield ParsedBlock(pa.Table.from_pylist([row], schema=_SCHEMA), None)


FORMAT = BinaryFileFormat
