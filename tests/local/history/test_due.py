"""What a table that is computed whole is due for, seen in the logs alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError
from sluice.history import due
from sluice.history.due import find_due
from sluice.preflight.run import preflight
from support.builders import SILVER, PipelineBuilder
from support.replays import DDL


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with rows in bronze, and a table that has none of them."""
    raw = {
        "name": "orders",
        "lake": str(tmp_path),
        "bronze": {"source": {"schema": DDL}},
        "silver": [SILVER | {"output_mode": "complete"}],
    }
    pipeline = PipelineBuilder(PipelineConfig.model_validate(raw))
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
    return pipeline


def is_due(pipeline: PipelineBuilder) -> bool:
    """Return whether a run would compute the table."""
    return find_due(pipeline.config, pipeline.config.silver[0]) is not None


def compute(pipeline: PipelineBuilder) -> None:
    """Write the table as if it was computed."""
    (silver,) = pipeline.config.silver
    found = find_due(pipeline.config, silver)
    assert found is not None
    write_deltalake(
        pipeline.config.silver_location(silver),
        pa.table({"order_count": [1]}),
        mode="overwrite",
        commit_properties=CommitProperties(
            app_transactions=[Transaction(found.app_id, found.up_to)],
            custom_metadata={"userMetadata": json.dumps(found.said)},
        ),
    )


def test_a_table_is_due_until_it_has_the_newest_rows(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with nothing else to do begins for it, and for it alone."""
    assert preflight(pipeline.config, run_id="run").silver_has_work
    compute(pipeline)
    assert not preflight(pipeline.config, run_id="run").has_work
    bronze = DeltaTable(pipeline.config.bronze_location)
    bronze.optimize.compact()
    assert not is_due(pipeline)

    with monkeypatch.context() as patch:
        patch.setattr(due, "read_commits", lambda *_, **__: [])
        assert is_due(pipeline), "log cleanup took what became of bronze"

    pipeline.land("c.json")
    pipeline.run_batch()
    assert preflight(pipeline.config, run_id="run").silver_has_work
    compute(pipeline)
    DeltaTable(pipeline.config.bronze_location).delete("order_id = 'b.json-0'")
    assert is_due(pipeline)


def test_a_bronze_that_was_put_back_is_refused(pipeline: PipelineBuilder) -> None:
    """The table has come further than that."""
    compute(pipeline)
    log = Path(pipeline.config.bronze_location, "_delta_log")
    pipeline.land("c.json")
    pipeline.run_batch()
    compute(pipeline)
    max(log.glob("*.json")).unlink()

    with pytest.raises(FatalError, match="which is at version 1") as caught:
        is_due(pipeline)
    assert caught.value.condition is Condition.TABLE_REWOUND
