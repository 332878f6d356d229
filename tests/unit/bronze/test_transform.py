"""What bronze adds to a landed row."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pyspark.sql.types import StringType, StructType

from sluice.bronze.transform import to_bronze, with_source_columns
from sluice.errors import UsageError


@pytest.mark.parametrize(
    "name",
    ["_rescued_data", "_Rescued_Data", "_source_file", "_processing_date", "_metadata"],
)
def test_declared_column_that_bronze_adds_is_refused(name: str) -> None:
    """Otherwise Spark fails on a duplicate column, after files have been claimed."""
    declared = StructType().add("id", StringType()).add(name, StringType())

    with pytest.raises(UsageError, match=f"names \\['{name}'\\]"):
        with_source_columns(declared)


def test_inferred_column_that_bronze_adds_is_refused() -> None:
    """A table that was exported as JSON and lands again has such fields."""
    landed = SimpleNamespace(columns=["id", "_Source_file", "_rescued_data"])

    with pytest.raises(UsageError, match=r"fields \['_Source_file'\]"):
        to_bronze(landed)  # type: ignore[arg-type]
