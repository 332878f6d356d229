"""Propose rules on rows: what is true of every row that the bronze table has now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from sluice.columns import ADDED_BY_BRONZE, CORRUPT_RECORD, METADATA, RESCUED_DATA
from sluice.delta.copies import Part, query_part, quoted
from sluice.delta.log import open_table
from sluice.errors import Condition, UsageError

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.config import PipelineConfig

FEWEST_ROWS = 100
# More values than these are no list that a person would have written.
_MOST_VALUES = 10
_ROWS_OF_A_VALUE = 20
_NUMBERS = re.compile(r"byte|short|integer|long|float|double|decimal\(.*\)")
_OTHERS = frozenset({"string", "boolean", "date", "timestamp", "timestamp_ntz"})
_OURS = ADDED_BY_BRONZE | {RESCUED_DATA, CORRUPT_RECORD, METADATA}


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """What the rows have in a column.

    - ``least``: the least number, None of other types;
    - ``values``: all texts, empty where they are many.
    """

    name: str
    rows: int
    nulls: int
    least: float | None = None
    values: Sequence[str] = ()


def suggest_rules(config: PipelineConfig) -> dict[str, str]:
    """Return the conditions that hold for all rows of bronze, by a name for each.

    Reads the columns that are not nested once, and those that have few texts again.
    What the pipeline expects already is left out.

    Raises:
        UsageError: there is no table, it has too few rows to learn from, or none of its
            columns is one to learn of.
    """
    table = open_table(config.bronze_location)
    facts = _read_facts(table) if table is not None else []
    rows = max((each.rows for each in facts), default=0)
    if rows < FEWEST_ROWS:
        raise UsageError(
            Condition.USAGE,
            f"bronze {config.bronze_location!r} has {rows} rows, nested columns aside, "
            f"and rules are learned from {FEWEST_ROWS} on; run the pipeline until "
            "there are more",
            {"table": config.bronze_location, "rows": rows},
        )
    expected = {each.expect for each in config.bronze.expectations.values()}
    return propose(facts, taken=config.bronze.expectations.keys(), expected=expected)


def propose(
    columns: Sequence[ColumnFacts],
    *,
    taken: Set[str] = frozenset(),
    expected: Set[str] = frozenset(),
) -> dict[str, str]:
    """Return conditions in SQL that hold for all rows, by names none of ``taken``.

    Those that are ``expected`` are left out.
    """
    found: dict[str, str] = {}
    known = {each.replace("`", "") for each in expected}
    # What a terminal writes out is not what a pipeline file would have.
    for column in (each for each in columns if each.name.isprintable()):
        for ending, condition in _conditions(column):
            if condition.replace("`", "") not in known:
                name = f"{_as_name(column.name)}_{ending}"
                found[_free(name, taken | found.keys())] = condition
    return found


def _conditions(column: ColumnFacts) -> Iterator[tuple[str, str]]:
    """Yield the end of a name, and a condition on a column that has some value."""
    if column.nulls == column.rows:
        return
    name = _in_sql(column.name)
    # A condition that is null of a row is violated by it.
    or_null = f" OR {name} IS NULL" if column.nulls else ""
    if not column.nulls:
        yield "not_null", f"{name} IS NOT NULL"
    if column.least is not None and column.least >= 0:
        yield "not_negative", f"{name} >= 0{or_null}"
    # A text that would need an escape is left to a person.
    together = "".join(column.values)
    if column.values and together.isprintable() and not re.search(r"['\\]", together):
        texts = ", ".join(f"'{text}'" for text in sorted(column.values))
        yield "known", f"{name} IN ({texts}){or_null}"


def _read_facts(table: DeltaTable) -> list[ColumnFacts]:
    """Return what the rows have in each column that is not nested."""
    kinds = {
        field.name: str(getattr(field.type, "type", ""))
        for field in table.schema().fields
        if field.name not in _OURS
    }
    numbers = {name for name, kind in kinds.items() if _NUMBERS.fullmatch(kind)}
    names = [name for name, kind in kinds.items() if name in numbers or kind in _OTHERS]
    if not names:
        return []
    asked = ["count(*) as n"]
    for index, name in enumerate(names):
        column = quoted(name)
        asked.append(f"count({column}) as c{index}")
        if name in numbers:
            asked.append(f"cast(min({column}) as double) as l{index}")
        if kinds[name] == "string":
            asked.append(f"approx_distinct({column}) as d{index}")
    sql = f"select {', '.join(asked)} from part"
    (row,) = query_part(table, sql, Part(columns=names)).to_pylist()
    return [
        ColumnFacts(
            name=name,
            rows=row["n"],
            nulls=row["n"] - row[f"c{index}"],
            least=row.get(f"l{index}"),
            values=_values(table, name) if _are_few(row, index) else (),
        )
        for index, name in enumerate(names)
    ]


def _are_few(row: Mapping[str, int], index: int) -> bool:
    """Return whether a column of texts seems to have few, each of them often."""
    # The number is an estimate: the texts themselves are counted where they are read.
    few = row.get(f"d{index}", 0)
    return 0 < few <= 2 * _MOST_VALUES and few * _ROWS_OF_A_VALUE <= row[f"c{index}"]


def _values(table: DeltaTable, name: str) -> tuple[str, ...]:
    """Return the texts of a column, none where they are more than a few."""
    column = quoted(name)
    sql = (
        f"select distinct {column} as v from part where {column} is not null "
        f"limit {_MOST_VALUES + 1}"
    )
    found = query_part(table, sql, Part(columns=[name])).to_pylist()
    return tuple(each["v"] for each in found) if len(found) <= _MOST_VALUES else ()


def _in_sql(name: str) -> str:
    # Always, for a name may be a word of SQL: `null` is no column, `from` no condition.
    return f"`{name.replace('`', '``')}`"


def _as_name(column: str) -> str:
    """Return a column's name as the name of a rule can be."""
    name = re.sub(r"[^a-z0-9_]+", "_", column.lower())
    return name if re.match("[a-z]", name) else f"column_{name}"


def _free(name: str, taken: Set[str]) -> str:
    """Return a name that is not taken."""
    numbered = (f"{name}_{number}" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in taken)
