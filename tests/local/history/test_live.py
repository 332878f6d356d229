"""Whether open windows are as new as their table, seen in the logs alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.watermark import closed_up_to
from sluice.config import PipelineConfig
from sluice.history.live import find_live_due
from sluice.preflight.run import preflight
from support.builders import SILVER, PipelineBuilder, window
from support.replays import DDL


def test_open_windows_are_due_until_they_are_of_the_newest_rows(tmp_path: Path) -> None:
    """A run with nothing else to do begins for them, also where others wrote there."""
    raw = {
        "name": "orders",
        "lake": str(tmp_path),
        "bronze": {"source": {"schema": DDL}},
        "silver": [SILVER | {"live": True}],
    }
    pipeline = PipelineBuilder(PipelineConfig.model_validate(raw))
    config, (silver,) = pipeline.config, pipeline.config.silver
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])

    def write(said: str) -> None:
        write_deltalake(
            config.live_location(silver),
            pa.table({"order_count": [1]}),
            mode="overwrite",
            commit_properties=CommitProperties(custom_metadata={"userMetadata": said}),
        )

    def compute() -> None:
        closed = closed_up_to(
            read_checkpoint(config.silver_checkpoint_location(silver))
        )
        due = find_live_due(config, silver, closed)
        assert due is not None
        write(json.dumps(due.said))

    def is_due() -> bool:
        return preflight(config, run_id="run").silver_has_work

    assert is_due()
    compute()
    assert not is_due()
    later = datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert find_live_due(config, silver, later), "a window was closed"
    write("another writer")
    assert is_due()
    compute()
    DeltaTable(config.bronze_location).delete("order_id = 'a.json-0'")
    assert is_due(), "bronze has lost a row"
    compute()
    assert not is_due()
