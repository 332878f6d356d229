"""Facts are read once, in an order in which a run beside it looks like none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import deltalake.table
import pytest

from sluice.checkpoint import read_checkpoint
from sluice.preflight.run import preflight
from sluice.rules.book import find_refusal
from sluice.rules.facts import QueryFacts
from sluice.rules.read import look_again, read_facts
from support.builders import PipelineBuilder, pipeline_config, window


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline with two micro-batches of bronze, and two of silver."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path, silver=True))
    for minute, name in enumerate(("a.json", "b.json")):
        pipeline.land(name)
        pipeline.run_batch()
        pipeline.run_silver_batch([window(5 * minute)])
    return pipeline


def read_all(pipeline: PipelineBuilder) -> list[QueryFacts]:
    """Read the facts of both queries."""
    return read_facts(pipeline.config, pipeline.config.queries)


def test_what_is_read_fits(pipeline: PipelineBuilder) -> None:
    """Nothing of a healthy pipeline looks broken."""
    bronze, silver = read_all(pipeline)

    assert [find_refusal(each) for each in (bronze, silver)] == [None, None]
    assert bronze.ledger is not None
    assert (bronze.ledger.high_seq, bronze.ledger.claimed_up_to) == (2, 2)
    assert (bronze.written, silver.written) == (1, 1)
    assert silver.source is not None
    assert silver.source.version == 1


def before_the_last_batch(facts: QueryFacts) -> QueryFacts:
    """Return facts whose checkpoint was read before the newest micro-batch began."""
    location = facts.query.checkpoint
    checkpoint = read_checkpoint(location)
    assert checkpoint is not None
    older = replace(checkpoint, offsets={0: checkpoint.offsets[0]}, commits={})
    return replace(facts, checkpoint=older, planned_later=0)


def before_the_first_batch(facts: QueryFacts) -> QueryFacts:
    """Return facts that were read before the query had a checkpoint."""
    return replace(facts, checkpoint=None, planned_later=-1)


@pytest.mark.parametrize(
    ("query", "before"),
    [
        (0, before_the_first_batch),
        (1, before_the_first_batch),
        (1, before_the_last_batch),
    ],
)
def test_query_that_goes_on_meanwhile_is_not_refused(
    pipeline: PipelineBuilder, query: int, before: Callable[[QueryFacts], QueryFacts]
) -> None:
    """Its checkpoint was read before its table; then it is read once more."""
    facts = before(read_all(pipeline)[query])

    assert find_refusal(facts) is not None
    assert find_refusal(look_again(facts)) is None


def test_claims_of_batches_ahead_of_the_checkpoint_are_counted(
    pipeline: PipelineBuilder,
) -> None:
    """Bronze set back goes on by them."""
    for key in ("offsets/1", "commits/1"):
        pipeline.bronze.remove(key)

    bronze, _ = read_all(pipeline)

    assert (bronze.written, bronze.planned_later, bronze.later_claims) == (1, 0, 1)
    assert find_refusal(bronze) is None


def count_opens(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count from now on how often each table is opened."""
    opened: Counter[str] = Counter()
    real = deltalake.table.RawDeltaTable

    def count(location: str, **keys: object) -> object:
        opened[location] += 1
        return real(location, **keys)

    monkeypatch.setattr(deltalake.table, "RawDeltaTable", count)
    return opened


def test_each_table_is_opened_once(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open a table in a bucket takes a tenth of a second."""
    preflight(pipeline.config, run_id="archives")
    opened = count_opens(monkeypatch)

    read_all(pipeline)

    assert set(opened.values()) == {1}
    assert len(opened) == 5


def test_preflight_opens_each_table_once(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever looks at them: rules, discovery, archive."""
    preflight(pipeline.config, run_id="archives")
    opened = count_opens(monkeypatch)

    preflight(pipeline.config, run_id="again")

    assert set(opened.values()) == {1}
    assert len(opened) == 6
