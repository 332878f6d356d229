"""``sluice plan`` says which new fields the next run would meet, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.config import PipelineConfig
from sluice.options.configured import source_options
from sluice.preflight.fields import fields_ahead
from sluice.preflight.plan import plan_run
from sluice.schema.infer import SAMPLE_FILES, schema_of
from support.builders import pipeline_config
from support.tree import contents

TYPED = {"cloudFiles.inferColumnTypes": True}


def land(config: PipelineConfig, name: str, *records: object) -> str:
    """Land a file of JSON records and return its path."""
    path = Path(config.landing_location, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in records))
    return str(path)


def pipeline(lake: Path, **options: object) -> PipelineConfig:
    """Return a pipeline that infers its schema."""
    return pipeline_config(lake, bronze={"source": {"options": TYPED | options}})


def ahead(config: PipelineConfig) -> tuple[list[tuple[object, ...]], str]:
    """Return the fields that the next run would meet, and what becomes of them."""
    found = fields_ahead(config, plan_run(config).waiting)
    return [tuple(vars(field).values()) for field in found.fields], found.fate


def test_fields_are_named_with_the_first_file_that_has_them(tmp_path: Path) -> None:
    """A nested one is named by its path, and what is there already is not named."""
    config = pipeline(tmp_path)
    land(config, "1.json", {"id": 1, "address": {"zip": "1"}})
    schema_of(source_options(config))
    second = land(config, "2.json", {"id": 2, "tags": ["a"]}, {"ID": 3})
    third = land(config, "3.json", {"tags": [], "address": {"city": "Ulm"}})
    before = contents(tmp_path)

    assert ahead(config) == (
        [("tags", "array<string>", second), ("address.city", None, third)],
        "each becomes a column",
    )
    assert contents(tmp_path) == before


def test_first_run_infers_all_fields(tmp_path: Path) -> None:
    """No schema is kept, so no file brought one of them."""
    config = pipeline(tmp_path)
    land(config, "1.json", {"at": "x", "id": 1})
    before = contents(tmp_path)

    fields = [("at", "string", None), ("id", "bigint", None)]
    assert ahead(config) == (fields, "the first run infers them")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("mode", "fate"),
    [
        ("rescue", "each is rescued"),
        ("none", "each is rescued"),
        ("failOnNewColumns", "the run would fail at them"),
    ],
)
def test_mode_decides_what_becomes_of_them(
    tmp_path: Path, mode: str, fate: str
) -> None:
    """They are new in every mode."""
    config = pipeline(tmp_path, **{"cloudFiles.schemaEvolutionMode": mode})
    land(config, "1.json", {"id": 1})
    schema_of(source_options(config))
    path = land(config, "2.json", {"new": 1.5})

    assert ahead(config) == ([("new", "double", path)], fate)


def test_fields_of_bronze_itself_are_not_new(tmp_path: Path) -> None:
    """They are rescued in every mode."""
    config = pipeline(tmp_path)
    land(config, "1.json", {"id": 1})
    schema_of(source_options(config))
    land(config, "2.json", {"_source_file": "x", "_metadata": {}})

    assert ahead(config)[0] == []


def test_declared_schema_has_nothing_ahead(tmp_path: Path) -> None:
    """What it lacks is rescued, whatever comes."""
    config = pipeline_config(tmp_path, bronze={"source": {"schema": "id int"}})
    land(config, "1.json", {"id": 1, "new": 2})

    assert ahead(config) == ([], "")


def test_as_many_files_are_looked_at_as_inference_does(tmp_path: Path) -> None:
    """A year of files is not read to plan an hour."""
    config = pipeline(tmp_path)
    land(config, "0.json", {"id": 1})
    schema_of(source_options(config))
    for number in range(1, SAMPLE_FILES + 2):
        land(config, f"{number}.json", {"id": number})

    assert fields_ahead(config, plan_run(config).waiting).files == SAMPLE_FILES


def test_plan_says_what_the_run_would_end_with(tmp_path: Path) -> None:
    """Without a record nothing can be inferred; what waits is counted anyway."""
    config = pipeline(tmp_path)
    land(config, "1.json")
    planned = plan_run(config)

    assert "no record was found" in str(fields_ahead(config, planned.waiting).problem)
    assert len(planned.waiting) == 1


def test_hinted_field_has_the_type_of_its_hint(tmp_path: Path) -> None:
    """A run adds what is hinted before it reads."""
    config = pipeline(tmp_path)
    land(config, "1.json", {"id": 1})
    schema_of(source_options(config))
    land(config, "2.json", {"zip": 1})

    hinted = pipeline(tmp_path, **{"cloudFiles.schemaHints": "zip STRING"})
    assert ahead(hinted)[0] == []


def test_field_in_another_case_is_the_column(tmp_path: Path) -> None:
    """Where case does not count, what is new in it is as wide as all files need."""
    config = pipeline(tmp_path, readerCaseSensitive=False)
    land(config, "1.json", {"addr": {"zip": 1}})
    schema_of(source_options(config))
    path = land(config, "2.json", {"Addr": {"n": 1}}, {"ADDR": {"n": 1.5}})

    assert ahead(config)[0] == [("addr.n", None, path)]


def test_wider_types_are_named_where_columns_get_them(tmp_path: Path) -> None:
    """Nothing of them is said where they keep their types."""
    mode = {"cloudFiles.schemaEvolutionMode": "addNewColumnsWithTypeWidening"}
    config = pipeline(
        tmp_path, **{"cloudFiles.schemaHints": "s STRUCT<n: INT>"}, **mode
    )
    land(config, "1.json", {"id": 1, "s": {"n": 1}})
    schema_of(source_options(config))
    path = land(config, "2.json", {"id": 10**19, "s": {"n": 10**9}})
    other = land(config, "3.json", {"id": 1.5, "s": {"n": 10**10}, "new": 1})

    found = fields_ahead(config, plan_run(config).waiting)

    assert [tuple(vars(field).values()) for field in found.wider] == [
        ("id", "decimal(20,0)", path),
        ("s.n", None, other),
    ]
    assert [field.field for field in found.fields] == ["new"]
    plain = pipeline(tmp_path, **{"cloudFiles.schemaHints": "s STRUCT<n: INT>"})
    assert fields_ahead(plain, plan_run(plain).waiting).wider == ()
