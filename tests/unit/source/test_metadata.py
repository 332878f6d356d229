"""The column ``_metadata`` of a schema that a user gives."""

from __future__ import annotations

import pytest
from pyspark.sql.types import ArrayType, DataType, LongType, StringType, StructType

from sluice.errors import Condition, UsageError
from sluice.source.metadata import METADATA_TYPE, require_metadata

PATH = StructType().add("file_path", StringType())


@pytest.mark.parametrize(
    "kind",
    [
        StringType(),
        StructType(),
        StructType().add("source", "string"),
        StructType().add("file_path", "string").add("source", "string"),
        StructType().add("file_size", "string"),
        ArrayType(PATH),
    ],
    ids=DataType.simpleString,
)
def test_what_nothing_would_fill_is_refused(kind: DataType) -> None:
    """It would be null in every row, or make every file a bad one."""
    schema = StructType().add("id", LongType()).add("_metadata", kind)

    with pytest.raises(UsageError, match="of these fields; declare it so") as caught:
        require_metadata(schema)

    assert caught.value.condition is Condition.SCHEMA_UNSUPPORTED


@pytest.mark.parametrize("kind", [METADATA_TYPE, PATH], ids=["whole", "in part"])
def test_it_may_be_declared(kind: StructType) -> None:
    """As bronze does, and as Spark asks for the fields that a query names."""
    require_metadata(StructType().add("id", LongType()).add("_metadata", kind))
