"""A file with thousands of names gives no table of thousands of columns."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from sluice.errors import Condition, UsageError
from sluice.formats.json_variants import VARIANT
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions, parse_options
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.plan import ReadPlan
from sluice.schema.evolve import evolve
from sluice.schema.infer import schema_of
from sluice.schema.kept import SchemaVersion, keep_version, latest_number
from sluice.schema.limits import count_fields


@pytest.fixture
def options(tmp_path: Path) -> CloudFilesOptions:
    """Return the options of a folder that has a good file."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.json").write_text('{"id": 1}')
    given = {"path": landing, "cloudFiles.schemaLocation": tmp_path / "schemas"}
    return parse_options(
        {name: str(value) for name, value in given.items()}
        | {"cloudFiles.format": "json", "sluice.maxInferredColumns": "4"}
    )


def land(options: CloudFilesOptions, record: object) -> LedgerFile:
    """Land a file of one record."""
    path = Path(options.path, "b.json")
    path.write_text(json.dumps(record))
    return LedgerFile(2, str(path), path.stat().st_size, datetime.now(UTC))


def test_variant_is_one_field() -> None:
    """Whatever it holds: it is the way out of too many."""
    assert count_fields([pa.field("v", VARIANT)]) == 1


def test_default_is_stated() -> None:
    """So many columns a table may have without a schema."""
    given = {"path": "/in", "cloudFiles.format": "json"}
    assert parse_options(given).max_columns == 5000


@pytest.mark.parametrize("record", [{"b": 1, "c": 2, "d": 3}, {"b": {"c": 1, "d": 2}}])
def test_inference_ends_at_the_limit(
    options: CloudFilesOptions, record: dict[str, object]
) -> None:
    """Nothing is kept; nested fields count as others."""
    options = replace(options, infer_column_types=True)
    land(options, record)
    assert len(schema_of(options)) <= 4

    land(options, record | {"e": 4})
    other = replace(options, schema_location=f"{options.schema_location}-other")
    with pytest.raises(UsageError, match="5 columns, more than the 4") as caught:
        schema_of(other)

    assert caught.value.condition is Condition.SCHEMA_NOT_INFERRED
    assert latest_number(other.schema_location) == -1


def test_evolution_ends_at_the_limit(options: CloudFilesOptions) -> None:
    """The error names the file that brings them and what keeps them out."""
    plan = ReadPlan(
        format=options.format,
        output=to_arrow_schema(schema_of(options), timezone="UTC"),
    )
    file = land(options, dict.fromkeys("bcde", 1))
    found = NewFieldsError(file.path, [*plan.columns, pa.field("b", pa.string())])

    with pytest.raises(UsageError, match="maxInferredColumns") as caught:
        evolve(options, plan, [file], found)

    assert caught.value.context["path"] == file.path
    assert "'rescue'" in caught.value.message
    assert latest_number(options.schema_location) == 0

    file = land(options, dict.fromkeys("bcd", 1))
    evolve(options, plan, [file], found)
    assert latest_number(options.schema_location) == 1


def test_wider_type_is_no_new_field(options: CloudFilesOptions) -> None:
    """A schema of many fields, which a hint or an older release gave, widens on."""
    typed = replace(options, infer_column_types=True, max_columns=0)
    number = pa.field("id", pa.int32())
    keep_version(
        options.schema_location,
        SchemaVersion(schema=from_arrow_schema(pa.schema([number]))),
    )
    plan = ReadPlan(format=options.format, output=pa.schema([number]), widens=True)
    file = land(options, {"id": 1 << 40})
    found = NewFieldsError(file.path, [number.with_type(pa.int64())])

    evolve(typed, plan, [file], found)

    assert latest_number(options.schema_location) == 1
