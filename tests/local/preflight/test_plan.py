"""``sluice plan`` says what a run would do, and writes nothing."""

from __future__ import annotations

from pathlib import Path

from deltalake import DeltaTable

from sluice.preflight.plan import plan_run
from support.builders import (
    PipelineBuilder,
    pipeline_config,
)
from support.preflights import check


def test_plan_reports_and_writes_nothing(tmp_path: Path) -> None:
    """A dry run leaves the lake as it found it."""
    options = {"cloudFiles.maxFilesPerTrigger": 2}
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path, bronze={"source": {"options": options}})
    )
    for number in range(3):
        pipeline.land(f"{number}.json")
    before = sorted(tmp_path.rglob("*"))

    first = plan_run(pipeline.config)

    assert (len(first.waiting), first.batches, first.undiscovered) == (3, 2, 3)
    assert sorted(tmp_path.rglob("*")) == before
    pipeline.run_batch(up_to=2)
    pipeline.land("3.json")
    then = plan_run(pipeline.config)
    assert (len(then.waiting), then.batches, then.undiscovered) == (2, 1, 1)
    assert DeltaTable(pipeline.config.bronze_location).version() == 0


def test_plan_leaves_out_what_a_first_run_leaves_out(tmp_path: Path) -> None:
    """What is there at the first start is never read; what comes after it is."""
    options = {"cloudFiles.includeExistingFiles": False}
    pipeline = PipelineBuilder(
        pipeline_config(tmp_path, bronze={"source": {"options": options}})
    )
    pipeline.land("old.json")
    first = plan_run(pipeline.config)
    found = check(pipeline)
    pipeline.land("new.json")

    assert (len(first.waiting), first.batches, first.undiscovered) == (0, 0, 1)
    assert not found.bronze_has_work
    assert len(plan_run(pipeline.config).waiting) == 1
