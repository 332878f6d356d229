"""How often the log of a table is opened: on S3 each time costs some round trips."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.audit.gather import gather_facts
from sluice.history import archive_history
from sluice.preflight.run import preflight
from support.builders import PipelineBuilder, pipeline_config, window


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read and archived a file."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    archive_history(pipeline.config)
    return pipeline


@pytest.fixture
def opened(pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the location of each table that is opened is added."""
    locations: list[str] = []
    opens = DeltaTable.__init__

    def counted(table, location, *arguments, **keywords):
        locations.append(str(location))
        opens(table, location, *arguments, **keywords)

    monkeypatch.setattr(DeltaTable, "__init__", counted)
    return locations


def test_preflight_opens_each_table_once(
    pipeline: PipelineBuilder, opened: list[str]
) -> None:
    """It is what an hour without work costs."""
    preflight(pipeline.config, run_id="run")

    assert sorted(opened) == sorted(set(opened))


def test_audit_reads_a_tables_rows_through_one_opening(
    pipeline: PipelineBuilder, opened: list[str]
) -> None:
    """One more is for the facts; of the archive and the claims one is enough."""
    gather_facts(pipeline.config)

    config = pipeline.config
    assert opened.count(config.bronze_location) == 2
    assert opened.count(config.silver_location(pipeline.windows)) == 2
    assert opened.count(config.ops_location("batches")) == 1
    assert opened.count(config.ops_location("batch_files")) == 1
    assert len(opened) == 11
