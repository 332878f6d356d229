"""The work that a preflight finds."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

import pytest

from sluice.checkpoint import read_checkpoint
from support.builders import (
    CheckpointBuilder,
    PipelineBuilder,
    pipeline_config,
)
from support.preflights import check


def test_first_run_finds_what_landed(pipeline: PipelineBuilder) -> None:
    """Before the first run there is nothing but the landing folder."""
    path = pipeline.land("a.json")

    found = check(pipeline)

    assert (found.new_files, found.new_bytes) == (1, Path(path).stat().st_size)
    assert found.bronze_has_work
    assert found.bronze_batch == -1


def test_asking_again_changes_nothing(pipeline: PipelineBuilder) -> None:
    """Airflow asks, then each job asks again."""
    pipeline.land("a.json")

    assert check(pipeline) == check(pipeline)
    assert pipeline.ledger.high_seq() == 1


def test_nothing_new_is_no_work(pipeline: PipelineBuilder) -> None:
    """A run that has nothing to do must not start a JVM."""
    pipeline.land("a.json")
    pipeline.run_batch()

    found = check(pipeline)

    assert (found.new_files, found.new_bytes, found.bronze_batch) == (0, 0, 0)
    assert not found.has_work


def test_only_what_is_new_counts(pipeline: PipelineBuilder) -> None:
    """Files of committed micro-batches are done, whatever their number."""
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.land("b.json")

    assert check(pipeline).new_files == 1


@pytest.mark.parametrize("written", [True, False], ids=["after", "before"])
def test_batch_that_was_cut_off_is_work(
    pipeline: PipelineBuilder, written: bool
) -> None:
    """A driver killed before or after the Delta commit: the batch is repeated."""
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.land("b.json")
    pipeline.run_batch(written=written, committed=False)

    found = check(pipeline)

    assert found.bronze_has_work
    assert (found.new_files, found.bronze_batch) == (1, 0)


def test_all_lost_is_a_new_start(pipeline: PipelineBuilder) -> None:
    """Without a table nothing can be doubled."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_checkpoint_location)
    rmtree(pipeline.config.bronze_location)

    assert check(pipeline).new_files == 1


def test_empty_table_made_beforehand_is_no_lost_checkpoint(
    pipeline: PipelineBuilder,
) -> None:
    """A first run that was killed between claim and offset log can be repeated."""
    pipeline.land("a.json")
    pipeline.discover()
    pipeline.write_rows([])
    pipeline.run_batch(written=False, committed=False)
    pipeline.bronze.remove("offsets/0")

    assert check(pipeline).bronze_has_work


def test_rewound_checkpoint_goes_on(pipeline: PipelineBuilder) -> None:
    """Claims plan the very ranges again that its batch ids had; Delta skips them."""
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
    for key in ("offsets/1", "commits/1"):
        pipeline.bronze.remove(key)

    found = check(pipeline)

    assert (found.new_files, found.bronze_batch) == (1, 0)
    assert pipeline.ledger.claimed_end(1) == 2


def test_every_query_has_its_id_before_spark_starts(tmp_path: Path) -> None:
    """Two very first drivers then share one, whatever their storage lets Spark do."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    pipeline.land("a.json")
    check(pipeline)
    ids = [query_id(each) for each in (pipeline.bronze, pipeline.silver)]

    check(pipeline)

    assert ids == [query_id(each) for each in (pipeline.bronze, pipeline.silver)]
    assert len({*ids, None}) == 3


def query_id(checkpoint: CheckpointBuilder) -> str | None:
    """Return the query id of a checkpoint."""
    facts = read_checkpoint(str(checkpoint.location))
    return facts.query_id if facts else None
