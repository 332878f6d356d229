"""Cells to columns: by name or position, typed; the rest is rescued to the letter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from sluice.formats.base import ParsedBlock, Record
from sluice.formats.csv_blocks import Rows, read_rows, written_lines
from sluice.formats.csv_tokens import Dialect
from sluice.formats.csv_values import convert
from sluice.formats.moments import Formats

_FITS = Record({}, {})
# By row, the texts of cells that no column has, by name.
Rescued = defaultdict[int, dict[str, str]]


@dataclass(frozen=True)
class Layout:
    """What the cells of a file are called, and how their text is read."""

    names: tuple[str, ...]
    dialect: Dialect
    null_value: str
    empty_value: str
    formats: Formats
    max_columns: int
    rounds: bool = True

    @cached_property
    def distinct(self) -> list[str]:
        """The names as Spark makes them distinct."""
        return distinct_names(self.names)

    @cached_property
    def places(self) -> dict[str, int]:
        """Where in a record the cells of each name are."""
        found: dict[str, int] = {}
        for number, name in enumerate(self.names):
            found.setdefault(name, number)
        return found | {name: number for number, name in enumerate(self.distinct)}

    def name_of(self, number: int) -> str:
        """Return what a cell is called by its place in a record."""
        return self.distinct[number] if number < len(self.names) else f"_c{number}"


def header_names(cells: Iterable[str | None]) -> list[str]:
    """Return the names of a header's cells, which are Latin-1 text for UTF-8 bytes."""
    return [
        (cell or "").encode("latin-1").decode("utf-8", "backslashreplace")
        for cell in cells
    ]


def distinct_names(names: Iterable[str]) -> list[str]:
    """Return names as Spark makes them distinct: an empty one gets its position.

    So does each of those that differ in nothing but case.
    """
    given = list(names)
    counts = Counter(name.lower() for name in given)
    return [
        f"_c{number}" if not name else name + (str(number) * (counts[name.lower()] > 1))
        for number, name in enumerate(given)
    ]


def fill_columns(
    block: bytes, columns: pa.Schema, layout: Layout, *, rescues: bool
) -> ParsedBlock:
    """Parse the plain records of ``block`` into the types of ``columns``."""
    known = layout.places
    places = {name: known[name] for name in columns.names if name in known}
    width = max(len(layout.names), 1)
    # Without a header there may be more cells than columns, found only when read.
    wanted = range(layout.max_columns) if rescues else set(places.values())
    rows = read_rows(
        block, layout.dialect, width, wanted=wanted, limit=layout.max_columns
    )
    rescued: Rescued = defaultdict(dict)
    arrays = []
    for column in columns:
        cells = rows.columns.get(places.get(column.name, -1))
        if cells is None:
            arrays.append(pa.nulls(rows.num_rows, column.type))
            continue
        texts = cell_texts(cells, layout, column.name, rescued)
        values, misfits = convert(
            texts, column.type, layout.formats, rounds=layout.rounds
        )
        arrays.append(values)
        for row in misfits:
            rescued[row][column.name] = texts[row].as_py()
    table = pa.Table.from_arrays(arrays, schema=columns)
    if not rescues:
        return ParsedBlock(table, None if columns.names else [_FITS] * rows.num_rows)
    _rescue_unknown(rows, set(places.values()), layout, rescued)
    new = set(layout.distinct) - set(columns.names)
    texts = written_lines(block, layout.dialect, {*rescued, *rows.corrupt})
    if not texts and columns.names:
        return ParsedBlock(table, None)
    records = to_records(rows.num_rows, rescued, rows.corrupt, new, texts)
    return ParsedBlock(table, records)


def text_columns(block: bytes, layout: Layout) -> dict[str, pa.Array]:
    """Return all cells of ``block`` as text by name; without names by position."""
    width = max(len(layout.names), 1)
    limit = layout.max_columns
    rows = read_rows(block, layout.dialect, width, wanted=range(limit), limit=limit)
    found = {
        layout.name_of(number): cell_texts(cells, layout, "", defaultdict(dict))
        for number, cells in rows.columns.items()
    }
    most = rows.width + max(map(len, rows.surplus.values()), default=0)
    for number in range(rows.width, most):
        found[layout.name_of(number)] = pa.nulls(rows.num_rows, pa.string())
    return found


def cell_texts(
    cells: pa.Array, layout: Layout, name: str, rescued: Rescued
) -> pa.Array:
    """Return cells as text; one that is not UTF-8 is null, and rescued as it shows."""
    try:
        texts = cells.cast(pa.string())
    except pa.ArrowInvalid:
        texts = _valid_texts(cells, name, rescued)
    if layout.empty_value:
        texts = pc.if_else(pc.equal(texts, ""), layout.empty_value, texts)
    null = pc.equal(texts, layout.null_value)
    if pc.any(null).as_py():
        texts = pc.if_else(null, pa.scalar(None, pa.string()), texts)
    return texts


def _valid_texts(cells: pa.Array, name: str, rescued: Rescued) -> pa.Array:
    texts: list[str | None] = []
    for row, cell in enumerate(cells.to_pylist()):
        try:
            texts.append(None if cell is None else cell.decode())
        except UnicodeDecodeError:
            texts.append(None)
            rescued[row][name] = cell.decode("utf-8", "backslashreplace")
    return pa.array(texts, pa.string())


def _rescue_unknown(
    rows: Rows, known: set[int], layout: Layout, rescued: Rescued
) -> None:
    for number, cells in rows.columns.items():
        if number in known:
            continue
        name = layout.name_of(number)
        texts = cell_texts(cells, layout, name, rescued)
        for row, text in enumerate(texts.to_pylist()):
            if text is not None:
                rescued[row][name] = text
    for row, surplus in rows.surplus.items():
        for number, text in enumerate(surplus, rows.width):
            if text and number not in known:
                rescued[row][layout.name_of(number)] = text


def to_records(
    count: int,
    rescued: Mapping[int, Mapping[str, str]],
    corrupt: Mapping[int, str],
    new: set[str],
    lines: Mapping[int, bytes],
) -> list[Record]:
    """Return a record for each row; ``lines`` are those that do not fit.

    Of what was rescued the names of a header can be ``new``. Cells behind the last of
    them belong to no field: they are a row that is too long.
    """
    records = [_FITS] * count
    for row, texts in rescued.items():
        raw = {
            name: msgspec.Raw(msgspec.json.encode(text)) for name, text in texts.items()
        }
        fresh = tuple(name for name in texts if name in new)
        records[row] = Record({}, raw, fresh, text=lines[row])
    for row, text in corrupt.items():
        records[row] = Record({}, {}, corrupt=text, text=lines[row])
    return records
