"""The rows of a table of current rows, held against those of bronze."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sluice.config import CurrentConfig, PipelineConfig
from sluice.current.changes import find_changes
from sluice.delta.copies import Part, query_parts, quoted
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.rules.facts import CurrentFacts, Duplicates

_EXAMPLES = 5
_Parts = Mapping[str, tuple[DeltaTable, Part]]
# Other errors are of bronze or of the ledger, of which the audit has findings.
_OF_THE_TABLE = {Condition.DEFINITION_CHANGED, Condition.TABLE_REWOUND}


def read_current(config: PipelineConfig, current: CurrentConfig) -> CurrentFacts | None:
    """Return what is wrong with the rows of a table; None where there is none yet.

    Reads key and ``sequence_by`` of both tables. While rows wait to be merged, nothing
    of bronze can be missing.
    """
    try:
        # Bronze before the table: what a run merges in between is there twice.
        bronze = open_table(config.bronze_location)
        waits = find_changes(config, current) is not None
    except (DeltaError, OSError):
        return None  # damage of bronze
    except FatalError as error:
        is_own = error.condition in _OF_THE_TABLE
        return CurrentFacts(unfit=error.message) if is_own else None
    return _read_rows(config, current, None if waits else bronze)


def _read_rows(
    config: PipelineConfig, current: CurrentConfig, bronze: DeltaTable | None
) -> CurrentFacts | None:
    try:
        table = open_table(config.current_location(current))
        if table is None:
            return None
        twice = _twice(table, current)
    except (DeltaError, pa.ArrowException, OSError) as error:
        return CurrentFacts(damage=str(error))
    missing = _missing(bronze, table, current) if bronze else Duplicates()
    return CurrentFacts(missing, twice)


def _twice(table: DeltaTable, current: CurrentConfig) -> Duplicates:
    identity = _identity(current)
    columns = _columns(identity)
    sql = f"select {columns} from current group by {columns} having count(*) > 1"
    return _counted({"current": (table, Part(columns=identity))}, sql, identity)


def _missing(
    bronze: DeltaTable, table: DeltaTable, current: CurrentConfig
) -> Duplicates:
    """Return the keys whose newest row is not there, or of a history any row."""
    needed = [*current.merge_keys, current.sequence_by]
    identity = _identity(current)
    usable = " and ".join(f"{quoted(name)} is not null" for name in needed)
    same = " and ".join(f"b.{quoted(name)} = c.{quoted(name)}" for name in identity)
    sequence = quoted(current.sequence_by)
    sql = (
        f"select distinct b.* from (select {_columns(current.merge_keys)}, "
        f"max({sequence}) as {sequence} from bronze where {usable} "
        f"group by {_columns(identity)}) as b "
        f"left join current as c on {same} "
        f"where c.{sequence} is null or c.{sequence} < b.{sequence}"
    )
    parts = {
        "bronze": (bronze, Part(columns=needed)),
        "current": (table, Part(columns=needed)),
    }
    try:
        return _counted(parts, sql, needed)
    except (DeltaError, pa.ArrowException, OSError):
        return Duplicates()  # damage of bronze


def _identity(current: CurrentConfig) -> list[str]:
    """Return the columns of which a table has each value once."""
    history = [current.sequence_by] if current.keeps_history else []
    return [*current.merge_keys, *history]


def _counted(parts: _Parts, sql: str, names: Sequence[str]) -> Duplicates:
    """Return how many keys a query finds, and a few of them."""
    some = (
        f"select *, count(*) over () as found_keys from ({sql}) as found "
        f"order by {_columns(names)} limit {_EXAMPLES}"
    )
    rows = query_parts(parts, some).to_pylist()
    examples = (json.dumps({name: str(row[name]) for name in names}) for row in rows)
    return Duplicates(rows[0]["found_keys"] if rows else 0, tuple(examples))


def _columns(names: Sequence[str]) -> str:
    return ", ".join(map(quoted, names))
