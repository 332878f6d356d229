"""A file with thousands of names gives no table of thousands of columns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from sluice.errors import Condition, UsageError
from sluice.formats.json_variants import VARIANT
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions, parse_options
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.partition import FileSlice
from sluice.reading.plan import NewFields, ReadPlan
from sluice.reading.read import read_slices
from sluice.schema.evolve import evolve
from sluice.schema.infer import schema_of
from sluice.schema.kept import SchemaVersion, keep_version, latest_number
from sluice.schema.limits import count_fields
from sluice.storage import modified_at


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
    found = path.stat()
    modified = modified_at(found.st_mtime_ns)
    return LedgerFile(2, str(path), found.st_size, modified)


def adding(options: CloudFilesOptions) -> ReadPlan:
    """Return how a query reads whose schema gets new fields."""
    known = to_arrow_schema(schema_of(options), timezone="UTC")
    return ReadPlan(
        format=options.format,
        output=pa.schema([*known, ("_rescued_data", pa.string())]),
        new_fields=NewFields.ADDED,
        limits=options.limits,
    )


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


@pytest.mark.parametrize("mode", ["inferred", "new"])
def test_long_name_is_no_column(options: CloudFilesOptions, mode: str) -> None:
    """It is rescued, at any level; the longest that may be is one."""
    given = {"max_columns": 99, "infer_column_types": True, "max_name_length": 255}
    options = replace(options, **given)
    short, long = "s" * 255, "l" * 256
    record = {short: 1, long: 2, "o": {short: 1, long: 2}}
    if mode == "inferred":
        land(options, record)
    else:
        plan = adding(options)
        file = land(options, record)
        with pytest.raises(NewFieldsError) as caught:
            list(read_slices([FileSlice(file, 0, file.size)], plan))
        assert long not in [field.name for field in caught.value.fields]
        evolve(options, plan, [file], caught.value)

    fields = {field.name: field.dataType for field in schema_of(options)}

    assert short in fields
    assert long not in fields
    assert fields["o"].names == [short]


def test_file_of_nothing_but_long_names_brings_nothing(
    options: CloudFilesOptions,
) -> None:
    """It is read at once, its fields rescued."""
    plan = adding(options)
    file = land(options, {"l" * 256: 2})

    (batch,) = read_slices([FileSlice(file, 0, file.size)], plan)

    assert "l" * 256 in batch["_rescued_data"][0].as_py()
