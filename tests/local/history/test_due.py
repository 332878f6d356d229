"""What a table that is computed whole is due for, seen in the logs alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from sluice.audit.complete import read_complete
from sluice.config import PipelineConfig, SilverConfig
from sluice.delta.log import open_table
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


def is_due(pipeline: PipelineBuilder, silver: SilverConfig | None = None) -> bool:
    """Return whether a run would compute the table."""
    found = find_due(pipeline.config, silver or pipeline.config.silver[0])
    return found is not None


def compute(pipeline: PipelineBuilder, silver: SilverConfig | None = None) -> None:
    """Write the table as if it was computed, by the transaction that Delta takes."""
    silver = silver or pipeline.config.silver[0]
    table = open_table(pipeline.config.silver_location(silver))
    found = find_due(pipeline.config, silver)
    assert found is not None
    before = table.transaction_version(found.app_id) if table else None
    assert before is None or before < found.up_to, "Delta would pass over it"
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


def test_a_definition_that_comes_back_is_due_again(pipeline: PipelineBuilder) -> None:
    """The rows are those of the one in between, whatever was computed before that."""
    (first,) = pipeline.config.silver
    other = first.model_copy(update={"where": "true"})
    for silver in (first, other, first, other):
        assert is_due(pipeline, silver)
        compute(pipeline, silver)
        assert not is_due(pipeline, silver)
    pipeline.land("c.json")
    pipeline.run_batch()
    assert is_due(pipeline, other)
    compute(pipeline, other)
    assert not is_due(pipeline, other)


def test_damage_of_a_table_is_left_to_its_step(pipeline: PipelineBuilder) -> None:
    """Bronze and the streams do not wait for it; the audit names it."""
    compute(pipeline)
    (silver,) = pipeline.config.silver
    log = Path(pipeline.config.silver_location(silver), "_delta_log")
    max(log.glob("*.json")).write_text("no commit")

    assert preflight(pipeline.config, run_id="run").silver_has_work
    with pytest.raises(FatalError, match="cannot be read") as caught:
        is_due(pipeline)
    assert caught.value.condition is Condition.TABLE_UNREADABLE
    found = read_complete(pipeline.config, silver)
    assert found is not None
    assert found.damage is not None


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
