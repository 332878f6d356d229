"""The column ``_metadata``: what is known of the file that a row is of."""

from __future__ import annotations

from pyspark.sql.types import (
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from sluice.columns import METADATA
from sluice.errors import Condition, UsageError

METADATA_TYPE = StructType(
    [
        StructField("file_path", StringType()),
        StructField("file_name", StringType()),
        StructField("file_size", LongType()),
        StructField("file_block_start", LongType()),
        StructField("file_block_length", LongType()),
        StructField("file_modification_time", TimestampType()),
    ]
)


def require_metadata(schema: StructType) -> None:
    """Refuse a column ``_metadata`` with other fields than files have.

    A user may name it in a schema, whole or in part. No field of a file fills it.

    Raises:
        UsageError: it has another type, or a field of another name or type.
    """
    known = {field.name: field.dataType for field in METADATA_TYPE}
    for column in schema:
        if column.name != METADATA:
            continue
        kind = column.dataType
        fields = kind.fields if isinstance(kind, StructType) else None
        if fields and all(known.get(each.name) == each.dataType for each in fields):
            continue
        raise UsageError(
            Condition.SCHEMA_UNSUPPORTED,
            f"cloudFiles: column {METADATA!r} of type {kind.simpleString()} cannot be "
            f"filled: it is of type {METADATA_TYPE.simpleString()}, or has some of "
            "these fields; declare it so, or leave it out. A field of that name in a "
            "file goes to the rescued data",
            {"column": METADATA, "type": kind.simpleString()},
        )
