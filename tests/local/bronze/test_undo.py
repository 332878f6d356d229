"""What an undo refuses before it starts Spark."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import from_arrow_schema

from sluice.bronze.undo import run_undo
from sluice.errors import UsageError
from sluice.schema.kept import SchemaVersion, keep_version, list_versions
from support.builders import PipelineBuilder, pipeline_config


def test_field_that_the_pipeline_names_is_not_taken_out(tmp_path: Path) -> None:
    """In whatever case, for Spark finds it so."""
    named = {"unique_key": ["CITY"]}
    pipeline = PipelineBuilder(pipeline_config(tmp_path, bronze=named))
    pipeline.land("a.json")
    pipeline.run_batch()
    config = pipeline.config
    for number, names in enumerate((["order_id"], ["order_id", "City"])):
        schema = from_arrow_schema(pa.schema([(name, pa.string()) for name in names]))
        keep_version(
            config.schema_location, SchemaVersion(number=number, schema=schema)
        )

    with pytest.raises(UsageError, match=r"\['CITY'\] .* bronze.unique_key names them"):
        run_undo(config, run_id="undo-1", confirmed=lambda _: False)

    assert len(list_versions(config.schema_location)) == 2
