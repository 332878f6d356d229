"""A lake that an earlier release left is gone on with; one of a later is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

from sluice.audit.run import run_audit
from sluice.bronze.run import run_bronze
from sluice.errors import Condition, FatalError
from sluice.ledger.ledger import VERSION_KEY
from sluice.silver.run import run_silver_tables
from sluice.spark.failures import own_error
from support.frozen import unfreeze
from support.lakes import Lake
from support.tree import contents

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return the lake of format 1: killed in batch 2, with two files still to come."""
    unfreeze(tmp_path)
    return Lake(tmp_path)


def offset_of(lake: Lake, batch: int) -> dict[str, object]:
    """Return the offset at which a micro-batch of bronze ends."""
    text = Path(lake.bronze.checkpoint, "offsets", str(batch)).read_text()
    return json.loads(text.splitlines()[2])


def test_lake_of_an_earlier_release_goes_on_exactly_once(lake: Lake) -> None:
    """The batch that was cut off is repeated by its old offsets; then come new ones."""
    before = contents(Path(lake.bronze.checkpoint))

    done = run_bronze(lake.config, run_id="upgraded")
    list(run_silver_tables(lake.config, run_id="upgraded"))

    assert done.counts["files"] == 4
    assert lake.bronze_rows() == lake.landed_rows()
    assert lake.silver_windows() == lake.closed_windows()
    after = contents(Path(lake.bronze.checkpoint))
    assert {path: after[path] for path in before} == before
    assert "version" not in offset_of(lake, 2)
    assert offset_of(lake, 3)["version"] == 1
    assert run_bronze(lake.config, run_id="again").counts["files"] == 0
    report = run_audit(lake.config)
    assert {each.code for each in report.findings} == {"FILE_QUARANTINED"}


def test_lake_of_a_later_release_is_refused_untouched(
    lake: Lake, spark: SparkSession
) -> None:
    """By the pipeline's preflight, and by the source where nothing comes before it."""
    files = DeltaTable(lake.ledger / "files")
    files.alter.set_table_properties({VERSION_KEY: "2"}, raise_if_not_exists=False)
    before = contents(lake.folder)

    with pytest.raises(FatalError) as of_pipeline:
        run_bronze(lake.config, run_id="older")
    stream = (
        spark.readStream.format("cloudFiles")
        .schema("order_id string, order_date string, payment_method string")
        .option("cloudFiles.format", "json")
        .option("cloudFiles.schemaLocation", lake.config.schema_location)
        .load(str(lake.landing))
    )
    query = (
        stream.writeStream.format("delta")
        .option("checkpointLocation", str(lake.bronze.checkpoint))
        .trigger(availableNow=True)
        .start(str(lake.bronze.table))
    )
    with pytest.raises(StreamingQueryException) as of_stream:
        query.awaitTermination()

    assert of_pipeline.value.condition is Condition.VERSION_TOO_NEW
    error = own_error(of_stream.value)
    assert error is not None
    assert error.condition is Condition.VERSION_TOO_NEW
    assert isinstance(error, FatalError)
    assert contents(lake.folder) == before
