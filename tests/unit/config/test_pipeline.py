from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sluice.config import PipelineConfig
from sluice.config.pipeline import Window
from sluice.errors import UsageError
from sluice.formats.registry import FORMATS

SILVER = {
    "name": "windows",
    "event_time": {"column": "at"},
    "aggregates": {"rows": "count(*)"},
}


@pytest.mark.parametrize("text", ["1.5 hours", "-1 minutes", "1 month", "minutes", ""])
def test_duration_of_unclear_length_is_refused(text: str) -> None:
    """Spark would take a month for an interval, and fail in the stream."""
    with pytest.raises(ValidationError, match="expected a duration"):
        Window(duration=text)


def test_duration_is_spelled_for_spark() -> None:
    """Spark's own parser has no short names."""
    assert Window(duration="90s").duration == "90 seconds"
    assert Window(duration=" 2 HOURS ").duration == "2 hours"


def test_locations_default_to_the_lake(tmp_path: Path) -> None:
    """A pipeline that only has a name has all its folders."""
    config = PipelineConfig.model_validate(
        {"name": "orders", "lake": str(tmp_path), "silver": [SILVER]}
    )
    silver = config.silver[0]
    found = {
        "landing/orders": config.landing_location,
        "schemas/orders": config.schema_location,
        "bronze/orders": config.bronze_location,
        "checkpoints/orders/bronze": config.bronze_checkpoint_location,
        "silver/orders_windows": config.silver_location(silver),
        "checkpoints/orders/windows": config.silver_checkpoint_location(silver),
        "ops/batches": config.ops_location("batches"),
        "reports/orders": config.reports_location,
    }

    assert found == {name: f"{tmp_path}/{name}" for name in found}


def test_given_locations_win(tmp_path: Path) -> None:
    """Every location can be somewhere else, in any spelling of a path."""
    config = PipelineConfig.model_validate(
        {
            "name": "orders",
            "lake": str(tmp_path),
            "bronze": {
                "source": {
                    "path": "file:/in/",
                    "options": {"cloudFiles.schemaLocation": "s3a://b/schemas/"},
                },
                "table": "/out/bronze",
                "checkpoint": "/state/bronze",
            },
            "silver": [SILVER | {"table": "/out/silver", "checkpoint": "/state/s"}],
        }
    )

    assert config.landing_location == "/in"
    assert config.schema_location == "s3://b/schemas"
    assert config.bronze_location == "/out/bronze"
    assert config.bronze_checkpoint_location == "/state/bronze"
    assert config.silver_location(config.silver[0]) == "/out/silver"
    assert config.silver_checkpoint_location(config.silver[0]) == "/state/s"


def test_falsy_values_override() -> None:
    """An empty list, a zero and a null are what the user said, not what is missing."""
    config = PipelineConfig.model_validate(
        {
            "name": "orders",
            "schedule": None,
            "bronze": {
                "partition_by": [],
                "source": {"options": {"a": 0, "b": False, "c": ""}},
            },
            "silver": [SILVER | {"watermark": "0 seconds"}],
        }
    )

    assert config.schedule is None
    assert config.bronze.partition_by == []
    assert config.bronze.source.options == {"a": "0", "b": "false", "c": ""}
    assert config.silver[0].watermark == "0 seconds"


def test_configuration_cannot_change() -> None:
    """What was read at the edge is what every later stage sees."""
    config = PipelineConfig.model_validate({"name": "orders"})

    with pytest.raises(ValidationError, match="frozen"):
        config.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", "Orders", "1st", "a-b", "../x", "a/b"])
def test_name_must_be_fit_for_a_folder(name: str) -> None:
    """The name is part of paths and of a DAG's id."""
    with pytest.raises(ValidationError):
        PipelineConfig.model_validate({"name": name})


def test_one_location_elsewhere_is_seen() -> None:
    """A session is set up for every place that a job reads or writes."""
    elsewhere = {
        "bronze": {"source": {"path": "s3://b/landing"}},
        "silver": [SILVER | {"table": "s3://b/silver", "checkpoint": "s3://b/state"}],
    }
    config = PipelineConfig.model_validate({"name": "orders", **elsewhere})
    on_s3 = [each for each in config.locations if each.startswith("s3://")]
    assert on_s3 == ["s3://b/landing", "s3://b/silver", "s3://b/state"]
    assert config.bronze_location in config.locations
    assert config.bronze_checkpoint_location in config.locations


def test_copied_pipeline_gets_a_silver_table_of_its_own() -> None:
    """Rows of two pipelines in one table cannot be separated again."""
    blocks = [
        PipelineConfig.model_validate({"name": name, "silver": [SILVER]})
        for name in ("orders", "payments")
    ]
    first, second = (each.silver_location(each.silver[0]) for each in blocks)
    assert first != second


@pytest.mark.parametrize("names", [["bronze"], ["a", "a"]])
def test_silver_names_are_their_own(names: list[str]) -> None:
    """Checkpoints and queries are named by them."""
    silver = [{**SILVER, "name": name} for name in names]
    with pytest.raises(ValidationError, match="name of its own"):
        PipelineConfig.model_validate({"name": "orders", "silver": silver})


def test_format_is_one_that_is_built() -> None:
    """A pipeline file is refused before anything is listed."""
    for name in FORMATS:
        source = {"bronze": {"source": {"format": name}}}
        config = PipelineConfig.model_validate({"name": "orders"} | source)
        assert config.bronze.source.format == name
    source = {"bronze": {"source": {"format": "jsno"}}}
    with pytest.raises(ValidationError, match="expected a format that is built"):
        PipelineConfig.model_validate({"name": "orders"} | source)


def test_other_name_of_rescued_data_is_refused() -> None:
    """Bronze, history and audit look for one name, and would count nothing."""
    source = {"options": {"rescuedDataColumn": "other"}}
    with pytest.raises(ValidationError, match="_rescued_data"):
        PipelineConfig.model_validate({"name": "orders", "bronze": {"source": source}})


@pytest.mark.parametrize(
    "given",
    [
        {"lake": "/a%20b"},
        {"bronze": {"table": "/a[b"}},
        {"bronze": {"source": {"options": {"cloudFiles.schemaLocation": "/a|b"}}}},
        {"silver": [SILVER | {"table": "/a^b"}]},
    ],
)
def test_path_that_cannot_hold_tables_is_refused(given: dict[str, object]) -> None:
    """Before anything is written, and not by a panic in the middle of a run."""
    with pytest.raises(UsageError, match="cannot hold Delta tables"):
        PipelineConfig.model_validate({"name": "orders"} | given)


def test_landing_folder_may_have_any_path() -> None:
    """No table is there."""
    source = {"path": "/landing/a%20[b]"}

    config = PipelineConfig.model_validate(
        {"name": "orders", "bronze": {"source": source}}
    )

    assert config.landing_location == "/landing/a%20[b]"
