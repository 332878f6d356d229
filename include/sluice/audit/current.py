"""The keys of a table of current rows, held against those of bronze."""

from __future__ import annotations

import json

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sluice.config import CurrentConfig, PipelineConfig
from sluice.current.changes import find_changes
from sluice.delta.copies import Part, query_parts, quoted
from sluice.delta.log import open_table
from sluice.errors import FatalError
from sluice.rules.facts import CurrentFacts, Duplicates

_EXAMPLES = 5


def read_current(config: PipelineConfig, current: CurrentConfig) -> CurrentFacts | None:
    """Return what is wrong with the keys of a table; None where there is none yet.

    Reads the columns of the key, of both tables, and of bronze ``sequence_by``. While
    rows wait to be merged, keys of bronze may be missing and are not looked for.
    """
    try:
        table = open_table(config.current_location(current))
        if table is None:
            return None
        twice = _twice(table, current)
        bronze = open_table(config.bronze_location)
        if bronze is None or find_changes(config, current) is not None:
            return CurrentFacts(twice=twice)
        return CurrentFacts(_missing(bronze, table, current), twice)
    except FatalError as error:
        return CurrentFacts(damage=error.message)
    except (DeltaError, pa.ArrowException, OSError) as error:
        return CurrentFacts(damage=str(error))


def _twice(table: DeltaTable, current: CurrentConfig) -> Duplicates:
    identity = [*current.merge_keys]
    if current.keeps_history:
        identity.append(current.sequence_by)
    columns = _columns(identity)
    sql = f"select {columns} from current group by {columns} having count(*) > 1"
    return _counted({"current": (table, Part(columns=identity))}, sql, identity)


def _missing(
    bronze: DeltaTable, table: DeltaTable, current: CurrentConfig
) -> Duplicates:
    keys = [*current.merge_keys]
    needed = [*keys, current.sequence_by]
    usable = " and ".join(f"{quoted(name)} is not null" for name in needed)
    same = " and ".join(f"b.{quoted(name)} = c.{quoted(name)}" for name in keys)
    sql = (
        f"select * from (select distinct {_columns(keys)} from bronze where {usable}) "
        f"as b left anti join current as c on {same}"
    )
    parts = {
        "bronze": (bronze, Part(columns=needed)),
        "current": (table, Part(columns=keys)),
    }
    return _counted(parts, sql, keys)


def _counted(
    parts: dict[str, tuple[DeltaTable, Part]], sql: str, names: list[str]
) -> Duplicates:
    """Return how many keys a query finds, and a few of them."""
    some = (
        f"select *, count(*) over () as found_keys from ({sql}) as found "
        f"order by {_columns(names)} limit {_EXAMPLES}"
    )
    rows = query_parts(parts, some).to_pylist()
    examples = (json.dumps({name: str(row[name]) for name in names}) for row in rows)
    return Duplicates(rows[0]["found_keys"] if rows else 0, tuple(examples))


def _columns(names: list[str]) -> str:
    return ", ".join(map(quoted, names))
