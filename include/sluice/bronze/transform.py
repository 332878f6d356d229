"""What bronze adds to a landed row: where it came from and when it was read."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom
from pyspark.sql.types import StringType, StructField, StructType

from sluice.columns import (
    ADDED_BY_BRONZE,
    METADATA,
    PROCESSING_DATE,
    PROCESSING_TIME,
    RESCUED_DATA,
    SOURCE_FILE,
)
from sluice.errors import Condition, UsageError
from sluice.schema.readable import require_readable

# The part of `_metadata` that bronze needs, for an explicit schema must name it.
_METADATA_TYPE = StructType([StructField("file_path", StringType())])
ADDED_COLUMNS = ADDED_BY_BRONZE | {RESCUED_DATA, METADATA}
"""What bronze adds to a declared schema, in lower case as Spark compares names."""


def with_source_columns(declared: StructType, *, variants: bool = False) -> StructType:
    """Return ``declared`` with the columns that the source fills beside the data.

    Every column may be null, as Spark has it for files: they hold what they hold.
    ``variants`` says if the format gives them.

    Raises:
        UsageError: ``declared`` has a column that bronze adds, twice the same one, or
            one that no file fills.
    """
    require_readable(declared, variants=variants)
    own = [name for name in declared.names if name.lower() in ADDED_COLUMNS]
    if own:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"bronze.source.schema names {own}, which bronze adds by itself; leave "
            "them out",
            {"columns": own},
        )
    lowered = [name.lower() for name in declared.names]
    twice = [name for name in declared.names if lowered.count(name.lower()) > 1]
    if twice:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"bronze.source.schema has the same column as {twice}, and a table takes "
            "no two names that differ in case only; leave out one",
            {"columns": twice},
        )
    return StructType(
        [
            *(StructField(each.name, each.dataType) for each in declared),
            StructField(RESCUED_DATA, StringType()),
            StructField(METADATA, _METADATA_TYPE),
        ]
    )


def to_bronze(landed: DataFrame) -> DataFrame:
    """Add ``_source_file``, ``_processing_time`` and ``_processing_date``.

    The time is the micro-batch's own, kept in the offset log: a batch that is run
    again after a crash writes the same rows.
    """
    return landed.select(
        "*",
        F.col(f"{METADATA}.file_path").alias(SOURCE_FILE),
        F.current_timestamp().alias(PROCESSING_TIME),
        F.current_date().alias(PROCESSING_DATE),
    ).drop(METADATA)
