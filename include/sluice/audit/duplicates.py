"""Keys that come more than once in a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

from deltalake import DeltaTable

from sluice.delta.copies import Part, query_part
from sluice.rules.facts import Duplicates

_EXAMPLES = 5


def find_duplicates(table: DeltaTable, *, keys: Sequence[str]) -> Duplicates:
    """Return the values of ``keys`` that a table has more than once."""
    missing = _missing_columns(table, keys)
    if not keys or missing:
        return Duplicates(missing=missing)
    columns = ", ".join(f'"{key}"' for key in keys)
    rows = query_part(
        table,
        f"select {columns}, count(*) as n, count(*) over () as keys from part "
        f"group by {columns} having count(*) > 1 order by {columns} limit {_EXAMPLES}",
        Part(columns=keys),
    ).to_pylist()
    examples = (
        json.dumps({**{key: str(row[key]) for key in keys}, "rows": row["n"]})
        for row in rows
    )
    return Duplicates(rows[0]["keys"] if rows else 0, tuple(examples))


def _missing_columns(table: DeltaTable, columns: Sequence[str]) -> tuple[str, ...]:
    known = {each.name for each in table.schema().fields}
    return tuple(each for each in columns if each not in known)
