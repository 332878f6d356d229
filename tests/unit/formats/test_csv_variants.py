"""CSV records as one variant each."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyspark.sql.types import VariantVal

from sluice.errors import UsageError
from sluice.formats.json_variants import VARIANT
from support.csv_rows import csv_format, parse

COLUMNS = pa.schema([("v", VARIANT)])


def variants(content: str, **options: str) -> list[tuple[object, dict]]:
    """Return the object of each record, and what is rescued of it."""
    rows, rescued = parse(content.encode(), COLUMNS, singleVariantColumn="v", **options)
    values = [
        value and json.loads(VariantVal(value["value"], value["metadata"]).toJson())
        for (value,) in rows
    ]
    return list(zip(values, rescued, strict=True))


def test_cells_are_named_by_the_header() -> None:
    """As columns would be; cells behind it are rescued, missing ones are null."""
    assert variants("b,a,,A\n1,x,,\n2\n3,,4,5,6,\n", header="true") == [
        ({"b": 1, "a1": "x", "_c2": None, "A3": None}, {}),
        ({"b": 2, "a1": None, "_c2": None, "A3": None}, {}),
        ({"b": 3, "a1": None, "_c2": 4, "A3": 5}, {"_c4": "6"}),
    ]


def test_cells_are_named_by_position() -> None:
    """As many as a record has; with too many it is corrupt."""
    assert variants("1,x\n2,y\n3,NA,z\n1,2,3,4\n", maxColumns="3", nullValue="NA") == [
        ({"_c0": 1, "_c1": "x"}, {}),
        ({"_c0": 2, "_c1": "y"}, {}),
        ({"_c0": 3, "_c1": None, "_c2": "z"}, {}),
        (None, {"corrupt": "1,2,3,4"}),
    ]


def test_no_variant_holds_too_much() -> None:
    """Of a variant Spark allows 16 MB."""
    ((value, rescued),) = variants("x" * (17 << 20))

    assert value is None
    assert len(rescued["corrupt"]) == 17 << 20


def test_it_is_the_only_column() -> None:
    """It holds all of a record; without the option csv has no variants."""
    source = csv_format(singleVariantColumn="v")
    source.require_columns(COLUMNS)

    assert source.infer([], max_bytes=1, typed=True) == COLUMNS
    with pytest.raises(UsageError, match="singleVariantColumn"):
        source.require_columns(pa.schema([("v", VARIANT), ("a", pa.string())]))
    with pytest.raises(UsageError, match="'v' of type variant"):
        csv_format().require_columns(COLUMNS)
