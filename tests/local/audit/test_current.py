"""The audit of tables of current rows: keys that are missing, or there twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from sluice.audit.run import run_audit
from sluice.config import PipelineConfig
from sluice.current.changes import find_changes
from support.builders import PipelineBuilder
from support.replays import DDL, declared

KEYS = ["a.json-0", "a.json-1", "a.json-2"]


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with three rows in bronze and none merged."""
    current = {"name": "newest", "merge_keys": "order_id", "sequence_by": "order_date"}
    pipeline = declared(tmp_path, DDL, current=[current])
    pipeline.land("a.json")
    pipeline.run_batch()
    return pipeline


def merge(config: PipelineConfig, *keys: str, dates: Sequence[str] = ()) -> None:
    """Write such keys as if they were all of bronze."""
    (current,) = config.current
    found = find_changes(config, current)
    assert found is not None
    write_deltalake(
        config.current_location(current),
        pa.table({"order_id": keys, "order_date": dates or ["2026-02-01"] * len(keys)}),
        mode="append",
        commit_properties=CommitProperties(
            app_transactions=[Transaction(found.app_id, found.up_to)],
            custom_metadata={"userMetadata": found.metadata},
        ),
    )


def wrong(config: PipelineConfig) -> list[tuple[str, str, str]]:
    """Return code, evidence and risk of what an audit finds."""
    return [
        (each.code, each.evidence, each.data_risk)
        for each in run_audit(config, run_id="audit").findings
    ]


def test_a_table_that_is_whole_is_no_finding(pipeline: PipelineBuilder) -> None:
    """Nor is one that is not there, or has rows yet to come."""
    assert wrong(pipeline.config) == []
    merge(pipeline.config, *KEYS)
    assert wrong(pipeline.config) == []
    pipeline.land("b.json")
    pipeline.run_batch()
    assert wrong(pipeline.config) == []


def test_rows_that_are_missing_or_twice_are_named(pipeline: PipelineBuilder) -> None:
    """Each with an example; an older row than bronze's is as good as none."""
    newest, older = "2026-01-01 00:00:00", "2026-01-01 00:00:00"
    merge(
        pipeline.config,
        *(KEYS[0], KEYS[1], KEYS[1]),
        dates=[newest, older, older],
    )
    assert wrong(pipeline.config) == [
        (
            "CURRENT_WRONG",
            "2 newest rows of bronze are missing, such as "
            '{"order_id": "a.json-1", "order_date": "2026-01-01 00:00:01"}; '
            '{"order_id": "a.json-2", "order_date": "2026-01-01 00:00:02"}',
            "lost",
        ),
        (
            "CURRENT_WRONG",
            '1 keys have several rows, such as {"order_id": "a.json-1"}',
            "duplicated",
        ),
    ]


def test_another_definition_and_a_damaged_table_are_named(
    pipeline: PipelineBuilder,
) -> None:
    """The audit goes on."""
    merge(pipeline.config, *KEYS)
    (current,) = pipeline.config.current
    other = current.model_copy(update={"scd_type": 2})
    changed = pipeline.config.model_copy(update={"current": [other]})
    ((code, evidence, risk),) = wrong(changed)
    assert (code, risk) == ("CURRENT_WRONG", "none")
    assert "was made by other merge_keys" in evidence
    for uri in DeltaTable(pipeline.config.current_location(current)).file_uris():
        Path(uri).unlink()
    ((code, _, risk),) = wrong(pipeline.config)
    assert (code, risk) == ("TABLE_UNREADABLE", "lost")
