"""What landed files are, by their names and by how one of them begins: pure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from sluice.formats.content import CODECS

HEAD_BYTES = 1 << 20
"""How much of a file ``look_at`` needs."""
_SEPARATORS = ",;\t|"
_FORMATS = {
    "json": ("json", "jsonl", "ndjson"),
    "csv": ("csv", "tsv", "psv"),
    "parquet": ("parquet", "pq"),
    "text": ("txt", "log"),
}
_BY_ENDING = {ending: name for name, endings in _FORMATS.items() for ending in endings}


@dataclass(frozen=True)
class Dialect:
    """A format, and the options with which its files are read."""

    format: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """The files that most of a folder are.

    - ``format``: what their names say, None where they say nothing;
    - ``pattern``: a glob of their names, None where no other files are there;
    - ``example``: the path of the first of them.
    """

    format: str | None
    pattern: str | None
    example: str


def most_common_kind(paths: Iterable[str]) -> Kind:
    """Return the kind of most of ``paths``, of which there is at least one."""
    found = [(path, *_format_and_ending(path)) for path in paths]
    ((format_name, _),) = Counter(name for _, name, _ in found).most_common(1)
    mine = [(path, ending) for path, name, ending in found if name == format_name]
    endings = sorted({ending for _, ending in mine})
    is_all = len(mine) == len(found) or format_name is None
    chosen = endings[0] if len(endings) == 1 else f"{{{','.join(endings)}}}"
    return Kind(format_name, None if is_all else f"*.{chosen}", mine[0][0])


def look_at(head: bytes, named: str | None) -> Dialect:
    """Return the dialect of a file that begins with ``head``, unpacked.

    ``named`` is the format that its name says; what else it can be, its content does.
    """
    text = head.decode("utf-8-sig", errors="replace")
    name = named or _format_of(head, text)
    if name == "json":
        return Dialect(name, _json_options(text))
    if name == "csv":
        return Dialect(name, _csv_options(text))
    return Dialect(name)


def _format_and_ending(path: str) -> tuple[str | None, str]:
    name = path.rpartition("/")[2]
    parts = name.lower().split(".")[1:]
    plain = parts[:-1] if parts and parts[-1] in CODECS else parts
    given = name.split(".")[1:]
    ending = ".".join(given[len(plain) - 1 :]) if plain else ""
    return (_BY_ENDING.get(plain[-1]) if plain else None), ending


def _format_of(head: bytes, text: str) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    if b"\0" in head:
        return "binaryFile"
    if text.lstrip()[:1] in ("{", "["):
        return "json"
    return "csv" if _separator(text) else "text"


def _json_options(text: str) -> dict[str, str]:
    """Return what finds the records: a line each, or a document of them.

    A line may be a record although it is no strict JSON, so only one that ends within
    its brackets begins a document.
    """
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip() or _is_json(first):
        return {}
    is_open = any(
        first.count(left) > first.count(right) for left, right in ("{}", "[]")
    )
    return {"multiLine": "true"} if is_open else {}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _csv_options(text: str) -> dict[str, str]:
    separator = _separator(text) or ","
    options = {} if separator == "," else {"sep": separator.replace("\t", "\\t")}
    first = next(csv.reader(io.StringIO(text), delimiter=separator), [])
    return options | {"header": "true" if _is_header(first) else "false"}


def _is_header(cells: list[str]) -> bool:
    """Return True if no cell is empty, a number, or there twice: all can be names."""
    named = [cell for cell in cells if cell.strip() and not _is_number(cell)]
    return len(set(named)) == len(cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _separator(text: str) -> str | None:
    # The last line may be cut.
    lines = text.splitlines(keepends=True)[:50]
    whole = "".join(lines[:-1] if len(lines) > 1 else lines)
    try:
        return csv.Sniffer().sniff(whole, delimiters=_SEPARATORS).delimiter
    except csv.Error:
        return None
