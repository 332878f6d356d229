"""Good records in odd files, and files of odd names: one row a kind of input."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from sluice.formats.base import Format
from sluice.formats.binary_file import BinaryFileFormat
from sluice.formats.csv import CsvFormat
from sluice.formats.json import JsonFormat
from sluice.formats.parquet import ParquetFormat
from sluice.formats.text import TextFormat

NAMES = ["a", "ä", "c"]
FORMATS: dict[str, Format] = {
    "json": JsonFormat(),
    "json document": JsonFormat(multi_line=True),
    "csv": CsvFormat(header=True),
    "csv document": CsvFormat(header=True, multi_line=True),
    "text": TextFormat(),
    "text file": TextFormat(whole_text=True),
    "parquet": ParquetFormat(),
    "binaryFile": BinaryFileFormat(),
}
# The same three records in each format of text, line by line.
LINES = {
    "json": [json.dumps({"id": n, "name": name}) for n, name in enumerate(NAMES)],
    "json document": json.dumps(
        [{"id": n, "name": name} for n, name in enumerate(NAMES)],
        indent=1,
        ensure_ascii=False,
    ).splitlines(),
    "csv": ["id,name", *(f"{n},{name}" for n, name in enumerate(NAMES))],
    "csv document": ["id,name", *(f'{n},"{name}"' for n, name in enumerate(NAMES))],
    "text": NAMES,
}
Rows = Sequence[object]


def parquet(**columns: object) -> bytes:
    """Return a Parquet file of columns."""
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, write_page_checksum=True)
    return stream.getvalue()


PARQUET = parquet(id=range(3), name=NAMES)


def _feeds(lines: Sequence[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def _zipped(lines: Sequence[str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", _feeds(lines))
    return stream.getvalue()


def _members(lines: Sequence[str]) -> bytes:
    return b"".join(gzip.compress(_feeds([line])) for line in lines)


@dataclass(frozen=True)
class Wrapped:
    """A way to write lines into a file.

    - ``error``: what the error says, None where all records are read;
    - ``names``: by format, what is read otherwise than the three names;
    - ``ending``: that of the file's name.
    """

    kind: str
    make: Callable[[Sequence[str]], bytes]
    error: str | None = None
    names: Mapping[str, Rows] = field(default_factory=dict)
    ending: str = ""


_BLANKS = {"text": ["", "a", "", "ä", "", "c", ""]}
_CUT = "cannot be read"
WRAPPED = [
    Wrapped("as it should be", _feeds),
    Wrapped("no final newline", lambda lines: "\n".join(lines).encode()),
    Wrapped("CRLF", lambda lines: _feeds(lines, "\r\n")),
    Wrapped("CR alone", lambda lines: _feeds(lines, "\r")),
    Wrapped(
        "blank lines",
        lambda lines: b"\n" + _feeds(lines, "\n\n"),
        names=_BLANKS,
    ),
    Wrapped("byte-order mark", lambda lines: b"\xef\xbb\xbf" + _feeds(lines)),
    Wrapped(
        "UTF-16 LE", lambda lines: ("\ufeff" + "\n".join(lines)).encode("utf-16-le")
    ),
    Wrapped(
        "UTF-16 BE", lambda lines: ("\ufeff" + "\n".join(lines)).encode("utf-16-be")
    ),
    Wrapped("UTF-32", lambda lines: "\n".join(lines).encode("utf-32")),
    Wrapped("gzip", lambda lines: gzip.compress(_feeds(lines)), ending=".gz"),
    Wrapped("gzip without saying so", lambda lines: gzip.compress(_feeds(lines))),
    Wrapped("gzip of several members", _members, ending=".gz"),
    Wrapped(
        "gzip with zeros behind",
        lambda lines: gzip.compress(_feeds(lines)) + bytes(9),
        ending=".gz",
    ),
    Wrapped(
        "gzip cut off",
        lambda lines: gzip.compress(_feeds(lines))[:-9],
        error=_CUT,
        ending=".gz",
    ),
    Wrapped(
        "gzip, its second member cut off",
        lambda lines: (2 * gzip.compress(_feeds(lines)))[:-9],
        error=_CUT,
        ending=".gz",
    ),
    Wrapped("gzip by its name alone", _feeds, error="gzip", ending=".gz"),
    Wrapped(
        "bzip2 cut off",
        lambda lines: bz2.compress(_feeds(lines))[:-9],
        error=_CUT,
        ending=".bz2",
    ),
    Wrapped("a ZIP archive", _zipped, error="ZIP"),
    Wrapped("Parquet under the name", lambda _: PARQUET, error="Parquet"),
    Wrapped("empty", lambda _: b"", names={name: [] for name in LINES}),
]

# What is no Parquet, under the name.
NO_PARQUET = {
    "empty": b"",
    "JSON": _feeds(LINES["json"]),
    "csv": _feeds(LINES["csv"]),
    "gzip of Parquet": gzip.compress(PARQUET),
    "a footer alone": b"PAR1" + bytes(40) + b"PAR1",
    **{f"cut to {part}/8": PARQUET[: len(PARQUET) * part // 8] for part in range(1, 8)},
    "without its last byte": PARQUET[:-1],
}

# One file each, by its name.
FILE_NAMES = [
    *(f"a{character}b" for character in " []{}*?%#:,'\"\\\n\t&+=~$!@;()^|<>`"),
    *("%20", "a%2Fb", "ä", "日本", "\u202e", "e\u0301", "x" * 200, "-", "a."),
    *("a.json.json", "[a-z]", "{a,b}", "?*", "file:a", "s3:a", " a", "a "),
]
