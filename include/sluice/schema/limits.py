"""Bound how many columns files alone can give a schema."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from sluice.errors import Condition, UsageError
from sluice.options.options import CloudFilesOptions
from sluice.reading.names import children


def require_few(
    fields: Iterable[pa.Field], options: CloudFilesOptions, path: str
) -> None:
    """Refuse a schema of more fields than the options allow; nested ones count.

    ``path`` is a file that brings the most of them, or the folder.

    Raises:
        UsageError: there are more.
    """
    count = count_fields(fields)
    if count > options.max_columns:
        raise UsageError(
            Condition.SCHEMA_NOT_INFERRED,
            f"cloudFiles: with the fields of {path!r} the schema would have {count:,} "
            f"columns, more than the {options.max_columns:,} of option "
            "'sluice.maxInferredColumns'; raise it if they are meant, give the schema, "
            "or keep them out of the schema: cloudFiles.schemaEvolutionMode 'rescue', "
            "or singleVariantColumn, or in json a hint such as 'attributes VARIANT'",
            {"path": path, "columns": count, "most": options.max_columns},
        )


def count_fields(fields: Iterable[pa.Field]) -> int:
    """Return how many fields there are at all levels."""
    return sum(1 + count_fields(children(field.type)) for field in fields)
