"""What each step of each run did: the table ``ops/steps``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from sluice.delta.tables import equal
from sluice.history.tables import STEPS_SCHEMA, append_rows, read_rows
from sluice.model import StepSummary

if TYPE_CHECKING:
    from sluice.pipeline import Pipeline


def record_step(
    pipeline: Pipeline,
    summary: StepSummary,
    *,
    started: datetime,
    finished: datetime,
) -> None:
    """Keep what a step did; a step that is tried again is kept again."""
    row = {
        "pipeline": pipeline.name,
        "run_id": summary.run_id,
        "step": summary.step,
        "started": started,
        "finished": finished,
        "counts": json.dumps(summary.counts),
        "notes": json.dumps(summary.notes),
    }
    append_rows(pipeline.ops_location("steps"), STEPS_SCHEMA, [row])


def read_steps(pipeline: Pipeline, run_id: str) -> list[StepSummary]:
    """Return what the steps of one run did, in the order in which they finished."""
    where = equal(pipeline=pipeline.name, run_id=run_id)
    rows = read_rows(pipeline.ops_location("steps"), where)
    return [
        StepSummary(
            step=str(row["step"]),
            run_id=str(row["run_id"]),
            counts=json.loads(str(row["counts"])),
            notes=tuple(json.loads(str(row["notes"]))),
        )
        for row in sorted(rows, key=lambda row: str(row["finished"]))
    ]


def latest_start(pipeline: Pipeline, step: str) -> datetime | None:
    """Return when the newest recorded ``step`` of the pipeline began."""
    where = equal(pipeline=pipeline.name, step=step)
    rows = read_rows(pipeline.ops_location("steps"), where, ["started"])
    starts = [row["started"] for row in rows]
    return max((each for each in starts if isinstance(each, datetime)), default=None)
