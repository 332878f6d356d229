"""Tables whose columns may get wider types, a property that readers must know."""

from __future__ import annotations

from deltalake import DeltaTable

from sluice.delta.log import open_table
from sluice.errors import Condition, UsageError

WIDENING = "delta.enableTypeWidening"


def is_widened(table: DeltaTable) -> bool:
    """Return True if columns of a table may get wider types."""
    return table.metadata().configuration.get(WIDENING, "").lower() == "true"


def require_widening(table_location: str) -> None:
    """Refuse a table that is there, and whose columns keep their types.

    Raises:
        UsageError: it would have wider values cut short.
    """
    table = open_table(table_location)
    if table is None or is_widened(table):
        return
    raise UsageError(
        Condition.SCHEMA_UNSUPPORTED,
        f"table {table_location!r} does not widen its columns, and "
        "cloudFiles.schemaEvolutionMode is 'addNewColumnsWithTypeWidening': run ALTER "
        f"TABLE delta.`{table_location}` SET TBLPROPERTIES ('{WIDENING}' = 'true'), "
        "which readers before Delta 3.2 do not know, or set the option to "
        "'addNewColumns'",
        {"table": table_location},
    )
