"""Kept schemas beside a real table: healthy ones have no finding."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql.pandas.types import from_arrow_schema

from sluice.audit.gather import gather_facts
from sluice.audit.schemas import read_schema
from sluice.config import PipelineConfig
from sluice.options.hints import parse_hints
from sluice.rules.checks import check_facts
from sluice.rules.facts import SchemaFacts
from sluice.schema.hints import apply_hints
from sluice.schema.kept import SchemaVersion, keep_version
from support.builders import PipelineBuilder, pipeline_config
from support.widened import commit_widening

START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = "id bigint, s struct<a: bigint>"
SECOND = (
    "id bigint, s struct<a: bigint, `o'd`: bigint>, tip double, "
    "l array<struct<x: bigint>>, m map<string, bigint>"
)


def schema(ddl: str) -> pa.Schema:
    """Return the columns of a DDL."""
    return pa.schema(apply_hints([], parse_hints(ddl)))


def keep(config: PipelineConfig, number: int, ddl: str, **more: object) -> None:
    """Keep a version as of so many days."""
    version = SchemaVersion(
        number=number, schema=from_arrow_schema(schema(ddl)), **more
    )
    keep_version(config.schema_location, version)
    kept = Path(config.schema_location, "_schemas", str(number))
    moment = (START + timedelta(days=number)).timestamp()
    os.utime(kept, (moment, moment))


def write(
    config: PipelineConfig, ddl: str, *rows: Mapping[str, object], day: float = 0.5
) -> None:
    """Append rows to bronze as of so many days; ``rescued`` is their rescued data."""
    own = [
        pa.field("_rescued_data", pa.string()),
        pa.field("_source_file", pa.string()),
        pa.field("_processing_time", pa.timestamp("us", "UTC")),
        pa.field("_processing_date", pa.date32()),
    ]
    moment = START + timedelta(days=day)
    values = [
        {key: each for key, each in row.items() if key != "rescued"}
        | {
            "_rescued_data": json.dumps(row["rescued"]) if "rescued" in row else None,
            "_source_file": f"/in/{number}.json",
            "_processing_time": moment,
            "_processing_date": moment.date(),
        }
        for number, row in enumerate(rows)
    ]
    table = pa.Table.from_pylist(values, pa.schema([*schema(ddl), *own]))
    write_deltalake(config.bronze_location, table, mode="append", schema_mode="merge")


def read(config: PipelineConfig) -> SchemaFacts | None:
    """Return what is found of a pipeline's schema."""
    return read_schema(config, DeltaTable(config.bronze_location))


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    """Return a pipeline with two schema versions, a table of both, and misfits."""
    config = pipeline_config(tmp_path)
    keep(config, 0, FIRST)
    keep(config, 1, SECOND, added={"tip": "/in/1.json"})
    write(config, FIRST, {"id": 1, "rescued": {"id": "odd", "ID": 2}})
    late = {"rescued": {"tip": "much", "s": {"a": 1}, "l": [{"x": "odd"}, None]}}
    write(config, SECOND, {"id": 2, "tip": 1.5}, late, day=1.5)
    return config


def test_healthy_table_is_whole(config: PipelineConfig) -> None:
    """Whatever is rescued of it does not fit, or came behind the version."""
    third = SECOND + ", more bigint"
    keep(config, 2, third)
    write(config, third, {"rescued": {"tip": 1}}, day=1.5)

    found = read(config)

    assert found is not None
    assert (found.newest, found.undone, found.rescued) == (2, {}, ())
    assert sorted(found.table) == sorted(found.fields) == sorted(found.ever)
    assert {"tip", "s.o'd", "l.x", "m"} < set(found.table)


@pytest.mark.parametrize(
    ("rescued", "fields"),
    [
        ({"tip": 1}, ["tip"]),
        ({"tip": "much", "s": {"o'd": 1}}, ["s.o'd"]),
        ({"l": [None, {"x": 5}]}, ["l"]),
        ({"s": {"a": 1}}, []),
        ({"id": 5, "other": 1, "_source_file": "x"}, []),
        ({"l": [{}], "tip": None}, []),
        ({"m": {"k": 1}}, []),
        ("theirs", []),
    ],
)
def test_older_value_that_would_fit_today_is_found(
    config: PipelineConfig, rescued: object, fields: list[str]
) -> None:
    """A field of the first version is none: what is rescued of it never fits."""
    write(config, FIRST, {"id": 3, "rescued": rescued}, day=0.5)

    found = read(config)

    assert found is not None
    assert [each.field for each in found.rescued] == fields
    for each in found.rescued:
        assert (each.version, each.paths) == (1, ("/in/0.json",))


def test_field_that_came_back_is_as_late_as_that(config: PipelineConfig) -> None:
    """Between undo and return its values were rescued."""
    keep(config, 2, FIRST, undone=(("tip",), ("l",), ("m",), ("s", "o'd")), undone_to=0)
    keep(config, 3, SECOND, undone_to=1)
    write(config, SECOND, {"id": 3, "rescued": {"tip": 1}}, day=2.5)

    found = read(config)

    assert found is not None
    assert [(each.field, each.version) for each in found.rescued] == [("tip", 3)]


def test_undone_fields_with_values_are_counted(config: PipelineConfig) -> None:
    """The undo was cut off behind its version."""
    write(config, SECOND, {"s": {"o'd": 1}}, {"s": {"a": 1}}, day=1.5)
    keep(config, 2, FIRST, undone=(("tip",), ("s", "o'd"), ("l", "x"), ("gone",)))

    found = read(config)

    assert found is not None
    assert found.undone == {"tip": 1, "s.o'd": 1}


def test_table_with_wider_types_is_looked_at(tmp_path: Path) -> None:
    """delta-rs does not query it; a copy of flat columns is."""
    config = pipeline_config(tmp_path)
    first = "id int, tip int, l array<int>"
    keep(config, 0, "id int")
    keep(config, 1, first)
    row = {"id": 1, "tip": 1, "l": [1], "rescued": {"tip": 2}}
    write(config, first, row, day=0.5)
    commit_widening(config.bronze_location, {"id": "long"})

    found = read(config)
    keep(config, 2, "id bigint", undone=(("tip",), ("l",)))
    undone = read(config)

    assert found is not None
    assert [each.field for each in found.rescued] == ["tip"]
    assert undone is not None
    assert undone.undone == {"tip": 1}


def test_version_ahead_and_foreign_column_are_found(config: PipelineConfig) -> None:
    """Bronze's own columns are neither, also where a file has fields of the names."""
    keep(config, 2, SECOND + ", fresh bigint, `_Source_file` string, _metadata string")
    write(config, FIRST + ", theirs bigint, _metadata string", {"id": 3}, day=2.5)

    found = read(config)

    assert found is not None
    assert set(found.fields) - set(found.table) == {"fresh"}
    assert set(found.table) - found.ever == {"theirs"}


def test_declared_schema_is_not_held_against_kept_ones(tmp_path: Path) -> None:
    """Versions from before it was declared say nothing of it."""
    source = {"schema": "order_id string, order_date string"}
    pipeline = PipelineBuilder(pipeline_config(tmp_path, bronze={"source": source}))
    pipeline.land("a.json")
    pipeline.run_batch()
    keep(pipeline.config, 0, FIRST)

    assert check_facts(gather_facts(pipeline.config)) == []


def test_damaged_version_is_a_finding(tmp_path: Path) -> None:
    """An audit goes on with damage."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    pipeline.land("a.json")
    pipeline.run_batch()
    assert check_facts(gather_facts(pipeline.config)) == []
    keep(pipeline.config, 0, FIRST)
    Path(pipeline.config.schema_location, "_schemas", "0").write_text("torn")

    (found,) = check_facts(gather_facts(pipeline.config))

    assert found.code == "SCHEMA_UNREADABLE"
