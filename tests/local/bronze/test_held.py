"""The columns of a table that an undo takes values out of."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql.types import (
    ArrayType,
    LongType,
    StringType,
    StructType,
    VariantType,
)

from sluice.bronze.held import HeldFields

INNER = StructType().add("x", LongType()).add("y", StringType())
TABLE = (
    StructType()
    .add("id", LongType())
    .add("tip", LongType())
    .add("l", ArrayType(INNER))
    .add("value", StringType())
    .add("v", VariantType())
    .add("vs", ArrayType(StructType().add("v", VariantType()).add("z", LongType())))
)


def test_fields_that_the_table_has_are_held() -> None:
    """One that was undone before a micro-batch wrote it is not there."""
    held = HeldFields.of(TABLE, (("tip",), ("gone",), ("l", "y"), ("l", "gone")))

    assert held.paths == (("tip",), ("l", "y"))
    assert held.variants == []
    left = pa.list_(pa.field("element", pa.struct({"x": pa.int64()})))
    assert held.kept_types() == {"tip": None, "l": left}


def test_columns_with_variants_are_named() -> None:
    """Also where the variant itself stays."""
    held = HeldFields.of(TABLE, (("value",), ("v",), ("vs", "z")))

    assert held.variants == ["v", "vs"]
