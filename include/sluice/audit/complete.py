"""A silver table that is computed whole, held against its source by their logs.

Its rows are what its newest commit of ours computed, unless another writer changed them
since; that commit says from which version of the source.
"""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sluice.audit.duplicates import find_duplicates
from sluice.config import PipelineConfig, SilverConfig
from sluice.config.silver import WINDOW_COLUMNS
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.history.due import find_due, find_other_writer
from sluice.rules.facts import CompleteFacts

# Other errors are of the source, of which the audit has findings.
_OF_THE_TABLE = {Condition.DEFINITION_CHANGED, Condition.TABLE_REWOUND}


def read_complete(config: PipelineConfig, silver: SilverConfig) -> CompleteFacts | None:
    """Return what is wrong with a table; None where there is none yet."""
    try:
        waits = find_due(config, silver) is not None
    except (DeltaError, OSError):
        return None  # damage of the source
    except FatalError as error:
        if error.context.get("table") != config.silver_location(silver):
            return None
        if error.condition is Condition.TABLE_UNREADABLE:
            return CompleteFacts(damage=error.message)
        is_own = error.condition in _OF_THE_TABLE
        return CompleteFacts(unfit=error.message) if is_own else None
    try:
        table = open_table(config.silver_location(silver))
        return _read(config, silver, table, waits=waits) if table else None
    except (DeltaError, pa.ArrowException, OSError) as error:
        return CompleteFacts(damage=str(error))


def _read(
    config: PipelineConfig, silver: SilverConfig, table: DeltaTable, *, waits: bool
) -> CompleteFacts:
    keys = [*WINDOW_COLUMNS, *silver.group_by]
    return CompleteFacts(
        twice=find_duplicates(table, keys=keys),
        changed_by=find_other_writer(config, silver),
        waits_for=(silver.source or "bronze") if waits else None,
    )
