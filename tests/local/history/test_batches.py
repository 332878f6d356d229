"""Every batch, archived or live, in the shape that the command promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.checkpoint import read_checkpoint
from sluice.errors import Condition, UsageError
from sluice.history import archive_history
from sluice.history.batches import list_batches, list_checkpoint_batches, to_json
from sluice.model import BatchKind
from support.builders import CheckpointBuilder, PipelineBuilder, pipeline_config, window


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with one archived batch of bronze and one of silver."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json", rows=2)
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)], watermark_ms=1704073980000)
    archive_history(pipeline.config)
    return pipeline


def listed(pipeline: PipelineBuilder) -> list[tuple[str, int, bool, int | None]]:
    """Return query, id, commitment and rows of every batch."""
    return [
        (each.query, each.batch_id, each.committed, each.rows)
        for each in list_batches(pipeline.config)
    ]


def test_newer_batches_come_from_the_checkpoint(pipeline: PipelineBuilder) -> None:
    """A batch is listed from the moment it is planned, archived or not."""
    pipeline.land("b.json", rows=3)
    pipeline.run_batch()
    pipeline.land("c.json")
    pipeline.run_batch(committed=False, written=False)
    assert listed(pipeline) == [
        ("bronze", 0, True, 2),
        ("bronze", 1, True, 3),
        ("bronze", 2, False, None),
        ("windows", 0, True, 1),
    ]


def test_archived_batches_outlive_their_checkpoint(pipeline: PipelineBuilder) -> None:
    """Spark keeps a hundred batches, and a checkpoint may be lost whole."""
    location = pipeline.bronze.location
    location.rename(location.with_name("gone"))
    assert listed(pipeline)[0] == ("bronze", 0, True, 2)


def test_checkpoint_says_whether_an_archived_batch_is_committed(
    pipeline: PipelineBuilder,
) -> None:
    """A commit file that was lost since must show, as long as the batch is there."""
    pipeline.bronze.remove("commits/0")
    assert listed(pipeline)[0] == ("bronze", 0, False, 2)


def test_batch_has_the_promised_shape(pipeline: PipelineBuilder) -> None:
    """Others rely on these keys."""
    shape = to_json(list_batches(pipeline.config)[0])
    assert shape == {
        "query": "bronze",
        "batch_id": 0,
        "kind": "data",
        "committed": True,
        "start_offsets": [None],
        "end_offsets": [json.loads(pipeline.offset(1))],
        "rows": 2,
        "table_version": 0,
        "watermark": None,
    }


def test_batch_that_only_moves_the_watermark_is_no_data(
    pipeline: PipelineBuilder,
) -> None:
    """Such a batch reads nothing and closes windows."""
    facts = read_checkpoint(str(pipeline.silver.location))
    assert facts is not None
    pipeline.silver.plan(1, facts.offsets[0].offsets[0], watermark_ms=1704073980000)
    batch = list_batches(pipeline.config)[-1]
    assert batch.kind is BatchKind.NO_DATA
    assert batch.watermark is not None
    assert batch.watermark.isoformat() == "2024-01-01T01:53:00+00:00"


def test_checkpoint_alone_lists_its_batches(tmp_path: Path) -> None:
    """Any query's checkpoint can be read, with or without a pipeline."""
    checkpoint = CheckpointBuilder(tmp_path / "mine")
    checkpoint.plan(0, '{"logOffset":0}')
    checkpoint.commit(0)
    (batch,) = list_checkpoint_batches(str(checkpoint.location))
    assert (batch.query, batch.batch_id, batch.committed) == ("mine", 0, True)
    assert (batch.rows, batch.seq_range) == (None, None)


def test_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """An empty list would say that a query ran and did nothing."""
    with pytest.raises(UsageError) as caught:
        list_checkpoint_batches(str(tmp_path))
    assert caught.value.condition is Condition.PATH_NOT_FOUND
