"""Files that an option keeps from being discovered or read are no findings."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.audit.gather import gather_facts
from sluice.history import record_step
from sluice.model import StepSummary
from sluice.rules.checks import check_facts
from sluice.rules.findings import Code
from support.builders import PipelineBuilder, pipeline_config

DAY = 86_400


def pipeline_with(lake: Path, **options: str) -> PipelineBuilder:
    """Return a pipeline with these options of the source."""
    return PipelineBuilder(
        pipeline_config(lake, bronze={"source": {"options": options}})
    )


def land(pipeline: PipelineBuilder, name: str, *, age: float, rows: int = 3) -> None:
    """Land a file modified so many seconds ago."""
    path = pipeline.land(name, rows=rows)
    moment = datetime.now(UTC).timestamp() - age
    os.utime(path, (moment, moment))


def codes(pipeline: PipelineBuilder) -> list[str]:
    """Return the codes of what the audit finds after a run that ends now."""
    now = datetime.now(UTC)
    summary = StepSummary("bronze", "run-2")
    record_step(pipeline.config, summary, started=now, finished=now)
    return [each.code for each in check_facts(gather_facts(pipeline.config))]


@pytest.mark.parametrize(
    ("option", "value", "age"),
    [
        ("modifiedAfter", "2026-01-01", 3000 * DAY),
        ("sluice.minFileAge", "1 hour", 5),
    ],
)
def test_file_passed_over_by_its_time_is_not_missed(
    tmp_path: Path, option: str, value: str, age: float
) -> None:
    """Discovery counts it; every audit would report it."""
    pipeline = pipeline_with(tmp_path, **{option: value})
    land(pipeline, "a.json", age=2 * 3600)
    land(pipeline, "passed.json", age=age)
    pipeline.run_batch()

    assert pipeline.ledger.high_seq() == 1
    assert set(codes(pipeline)) <= {Code.FILES_WAITING.name}


def test_without_the_option_the_file_would_be_missed(tmp_path: Path) -> None:
    """So it is the option that makes the difference."""
    pipeline = pipeline_with(tmp_path)
    land(pipeline, "a.json", age=2 * 3600)
    pipeline.run_batch()
    land(pipeline, "passed.json", age=3000 * DAY)

    assert codes(pipeline) == [Code.NOT_IN_LEDGER.name]


def test_file_found_before_the_option_was_set_is_still_checked(tmp_path: Path) -> None:
    """It is in ledger and table, whatever would be discovered now."""
    pipeline = pipeline_with(tmp_path)
    land(pipeline, "a.json", age=3000 * DAY)
    pipeline.run_batch()

    later = pipeline_with(tmp_path, modifiedAfter="2026-01-01")

    assert codes(later) == []


def test_versions_are_as_asked_for(tmp_path: Path) -> None:
    """With ``allowOverwrites`` a path may have two rows in the ledger."""
    pipeline = pipeline_with(tmp_path, **{"cloudFiles.allowOverwrites": "true"})
    land(pipeline, "a.json", age=60)
    pipeline.run_batch()
    land(pipeline, "a.json", age=30, rows=4)
    pipeline.run_batch()

    assert [Path(file.path).name for file in pipeline.ledger.files()] == ["a.json"] * 2
    assert codes(pipeline) == []


def test_files_from_before_the_stream_have_no_rows(tmp_path: Path) -> None:
    """Also where they are gone since."""
    pipeline = pipeline_with(tmp_path, **{"cloudFiles.includeExistingFiles": "false"})
    land(pipeline, "old.json", age=60)
    land(pipeline, "gone.json", age=60)
    pipeline.discover()
    Path(pipeline.config.landing_location, "gone.json").unlink()

    assert pipeline.ledger.first_seq() == 2
    assert codes(pipeline) == []
