"""Which versions a batch read, and up to where windows are closed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.checkpoint.watermark import EPOCH, closed_up_to
from sluice.errors import Condition, FatalError
from sluice.silver.batches import SilverBatch, list_batches
from support.builders import CheckpointBuilder


def offset(version: int, index: int = -1, *, starting: bool = False) -> str:
    """Return an offset as Delta's source logs it."""
    return json.dumps(
        {"reservoirVersion": version, "index": index, "isStartingVersion": starting}
    )


@pytest.fixture
def checkpoint(tmp_path) -> CheckpointBuilder:
    """Return a checkpoint of three planned batches, two of them committed."""
    builder = CheckpointBuilder(tmp_path)
    for batch, (version, watermark_ms) in enumerate([(2, 0), (2, 5000), (4, 9000)]):
        builder.plan(batch, offset(version), watermark_ms=watermark_ms)
    builder.commit(0)
    builder.commit(1)
    return builder


def facts(checkpoint: CheckpointBuilder) -> CheckpointFacts:
    """Return what the checkpoint says."""
    found = read_checkpoint(str(checkpoint.location))
    assert found is not None
    return found


def second(count: int) -> datetime:
    """Return so many seconds after the epoch."""
    return datetime(1970, 1, 1, 0, 0, count, tzinfo=UTC)


def test_late_rows_are_dropped_by_the_watermark_of_the_batch_before(checkpoint):
    """Measured on Spark 4.2: late filtering lags one batch behind the eviction."""
    checkpoint.commit(2)

    assert list_batches(facts(checkpoint), after=-1) == [
        SilverBatch(0, None, 2, EPOCH, EPOCH),
        SilverBatch(1, 2, 2, EPOCH, second(5)),
        SilverBatch(2, 2, 4, second(5), second(9)),
    ]


def test_only_committed_batches_count(checkpoint):
    """A planned batch may still be run again."""
    assert [each.batch_id for each in list_batches(facts(checkpoint), after=0)] == [1]


def test_a_batch_whose_start_is_gone_is_left_out(checkpoint):
    """Spark purges its logs after 100 batches; guessing would be worse than a gap."""
    checkpoint.remove("offsets/0")

    assert list_batches(facts(checkpoint), after=-1) == []


def test_windows_are_closed_by_the_last_committed_batch(checkpoint):
    """Not by the planned one: it will emit the windows up to its own watermark."""
    assert closed_up_to(facts(checkpoint)) == second(5)


def test_before_the_first_commit_nothing_is_closed(tmp_path):
    """A first batch that never ended has closed no window."""
    assert closed_up_to(None) == EPOCH


@pytest.mark.parametrize("end", [offset(4, 7), offset(4, starting=True)])
def test_a_checkpoint_that_cuts_versions_is_refused(checkpoint, end):
    """Our query takes whole versions; late rows of another query are unknown."""
    checkpoint.plan(2, end)
    checkpoint.commit(2)

    with pytest.raises(FatalError) as caught:
        list_batches(facts(checkpoint), after=1)
    assert caught.value.condition is Condition.CHECKPOINT_UNREADABLE
    assert caught.value.context["batch_id"] == 2
