"""Which columns JSON can fill."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.types as pt

from sluice.errors import Condition, UsageError
from sluice.formats.json_variants import VARIANT


def require_names(columns: pa.Schema) -> None:
    """Refuse maps whose keys are no strings, as the names of an object are.

    Raises:
        UsageError: there is such a column.
    """
    for column in columns:
        if _has_other_keys(column.type):
            raise UsageError(
                Condition.SCHEMA_UNSUPPORTED,
                f"cloudFiles: column {column.name!r} of type {column.type} cannot be "
                "read from JSON, whose keys are strings; use map<string, ...> and "
                "convert the keys in the query",
                {"column": column.name, "type": str(column.type)},
            )


def _has_other_keys(kind: pa.DataType) -> bool:
    if pt.is_map(kind):
        return not pt.is_string(kind.key_type) or _has_other_keys(kind.item_type)
    if pt.is_struct(kind):
        return any(_has_other_keys(field.type) for field in kind)
    return pt.is_list(kind) and _has_other_keys(kind.value_type)


def require_whole(columns: pa.Schema, name: str) -> None:
    """Refuse all columns but the variant that holds whole records.

    Raises:
        UsageError: there is another column.
    """
    wrong = [each.name for each in columns if (each.name, each.type) != (name, VARIANT)]
    if wrong:
        raise UsageError(
            Condition.SCHEMA_UNSUPPORTED,
            f"cloudFiles: option 'singleVariantColumn' gives one column, {name!r} of "
            f"type variant, and the schema has {wrong[0]!r}: leave the schema out",
            {"column": wrong[0]},
        )
