"""What bronze adds to a landed row."""

from __future__ import annotations

import pytest
from pyspark.sql.types import StringType, StructType, VariantType

from sluice.bronze.transform import with_source_columns
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


def test_two_cases_of_a_name_are_refused() -> None:
    """Delta takes no such table."""
    declared = StructType().add("id", StringType()).add("ID", StringType())

    with pytest.raises(UsageError, match=r"\['id', 'ID'\]"):
        with_source_columns(declared)


def test_type_that_no_file_has_is_refused() -> None:
    """Before the query starts, with the name of the column."""
    with pytest.raises(UsageError, match="column 'v' of type variant"):
        with_source_columns(StructType().add("v", VariantType()))
