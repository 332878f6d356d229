"""``sluice queries``: what runs, what it did last, and who is asked to stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.control.hold import hold_lease
from sluice.control.lease import read_lease
from sluice.control.stop import read_stop
from sluice.paths import control_location
from sluice.storage import list_keys
from support.builders import PipelineBuilder, pipeline_config
from support.command_line import Sluice


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineBuilder:
    """Return the one known pipeline, with two micro-batches."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    text = f"name: orders\nlake: {tmp_path / 'lake'}\n"
    (folder / "orders.yaml").write_text(text)
    monkeypatch.setenv("SLUICE_PIPELINES", str(folder))
    pipeline = PipelineBuilder(pipeline_config(tmp_path / "lake"))
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
    return pipeline


@pytest.fixture
def checkpoint(pipeline: PipelineBuilder) -> str:
    """Return the checkpoint of its bronze query."""
    return pipeline.config.bronze_checkpoint_location


def running(checkpoint: str):
    """Hold the lease as a run of bronze does."""
    return hold_lease(checkpoint, query="orders_bronze", run_id="run-7")


def test_what_runs_is_listed_with_run_and_batch(
    checkpoint: str, sluice: Sluice
) -> None:
    """And no longer once its lease is released."""
    with running(checkpoint):
        _, out, _ = sluice("queries", "--json")
    (row,) = json.loads(out)
    assert (row["query"], row["run_id"], row["batch_id"]) == (
        "orders_bronze",
        "run-7",
        1,
    )
    assert 0 <= row["heartbeat_age_seconds"] < 10
    assert json.loads(sluice("queries", "--pipeline", "orders", "--json")[1]) == []


@pytest.mark.parametrize("name", ["orders", "orders_bronze", "{checkpoint}", "--all"])
def test_a_query_is_stopped_by_any_of_its_names(
    checkpoint: str, sluice: Sluice, name: str
) -> None:
    """Its own, its pipeline's, its checkpoint's, or all there are."""
    with running(checkpoint) as hold:
        code, out, _ = sluice("queries", "stop", name.format(checkpoint=checkpoint))
        assert read_stop(hold.lease) is not None
    assert code == 0
    assert "orders_bronze: asked to stop after its micro-batch: run 'run-7'" in out


def test_a_query_that_does_not_run_is_reported_so(
    checkpoint: str, sluice: Sluice
) -> None:
    """Nothing is left that could stop its next run."""
    assert "orders_bronze: does not run" in sluice("queries", "stop", "orders")[1]
    assert "no query runs" in sluice("queries", "stop", "--all")[1]
    assert list_keys(control_location(checkpoint)) == []
    assert read_lease(checkpoint) is None


@pytest.mark.parametrize(
    "arguments", [(), ("orders", "--all"), ("payments",), ("/no/checkpoint",)]
)
@pytest.mark.usefixtures("pipeline")
def test_a_wrong_name_is_a_usage_error(
    sluice: Sluice, arguments: tuple[str, ...]
) -> None:
    """A mistyped name must not look like a stopped query."""
    assert sluice("queries", "stop", *arguments)[0] == 64


@pytest.mark.usefixtures("pipeline")
def test_progress_shows_the_last_micro_batches(sluice: Sluice) -> None:
    """The newest last, as they ran."""
    _, out, _ = sluice("queries", "progress", "orders_bronze", "--last", "1", "--json")
    (row,) = json.loads(out)
    assert (row["query"], row["batch_id"], row["rows"]) == ("bronze", 1, 3)
