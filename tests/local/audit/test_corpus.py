"""The corruption corpus: each damage to a real pipeline is named, and nothing else.

Those damages that a run is refused for are in tests/local/repair/test_damages.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.audit.gather import gather_facts
from sluice.history import archive_history
from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import DataRisk, Finding, Severity
from sluice.rules.checks import check_facts
from support.builders import PipelineBuilder, pipeline_config, window
from support.corpus import (
    CORPUS,
    add_phantom,
    forget_in_ledger,
    ingest_twice,
    lose_commit,
    lose_newest_commit,
    lose_rows,
    remove_landed,
    run_passed,
)


def healthy(lake: Path) -> PipelineBuilder:
    """Run three bronze batches over two files each, and two silver batches."""
    pipeline = PipelineBuilder(pipeline_config(lake, silver=True))
    for batch in range(3):
        pipeline.land(f"{batch}a.json", rows=2)
        pipeline.land(f"{batch}b.json", rows=3)
        pipeline.run_batch()
    pipeline.run_silver_batch([window(0), window(0, "cash")])
    pipeline.run_silver_batch([window(5)], watermark_ms=1)
    return pipeline


def findings(pipeline: PipelineBuilder) -> list[Finding]:
    """Return what the audit of the pipeline finds."""
    return check_facts(gather_facts(pipeline.config))


def codes(pipeline: PipelineBuilder) -> list[str]:
    """Return the codes of what the audit of the pipeline finds."""
    return [each.code for each in findings(pipeline)]


# Runs leave an archive, and every finding must be the same without one.
@pytest.fixture(
    scope="module",
    params=[pytest.param(False, marks=pytest.mark.long), True],
    ids=["fresh", "archived"],
)
def template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PipelineBuilder, Path]:
    """Return a healthy pipeline and a copy of its lake; building one takes a while."""
    lake = tmp_path_factory.mktemp("corpus") / "lake"
    pipeline = healthy(lake)
    if request.param:
        archive_history(pipeline.config)
    copy = lake.with_name("copy")
    shutil.copytree(lake, copy)
    return pipeline, copy


@pytest.fixture
def pipeline(template: tuple[PipelineBuilder, Path]) -> PipelineBuilder:
    """Return the healthy pipeline, whatever the test before did to it."""
    pipeline, copy = template
    lake = Path(pipeline.config.lake)
    shutil.rmtree(lake)
    shutil.copytree(copy, lake)
    return pipeline


@pytest.mark.parametrize(
    ("damage", "expected"), CORPUS, ids=[damage.__name__ for damage, _ in CORPUS]
)
def test_damage_is_named_once(
    damage: Callable[[PipelineBuilder], None],
    expected: list[str],
    pipeline: PipelineBuilder,
) -> None:
    """One damage, one cause: an audit that shouts it all helps as little as none."""
    damage(pipeline)
    assert codes(pipeline) == expected


def test_healthy_pipeline_has_no_findings(pipeline: PipelineBuilder) -> None:
    """A false alarm teaches people to look away."""
    run_passed(pipeline)
    assert findings(pipeline) == []


@pytest.mark.parametrize(
    ("damage", "severity"),
    [
        (lose_newest_commit, Severity.WARNING),
        (lose_commit, Severity.ERROR),
        (remove_landed, Severity.WARNING),
        (add_phantom, Severity.ERROR),
    ],
)
def test_severity_shows_what_mends_itself(
    damage: Callable[[PipelineBuilder], None],
    severity: Severity,
    pipeline: PipelineBuilder,
) -> None:
    """A crash that the next run mends, or a file moved away, must not fail a run."""
    damage(pipeline)
    (found,) = findings(pipeline)
    assert found.severity is severity


def test_pipeline_that_never_ran_is_no_alarm(tmp_path: Path) -> None:
    """The first audit comes before the first file."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    Path(pipeline.config.landing_location).mkdir(parents=True)
    found = findings(pipeline)
    assert [(each.code, each.severity) for each in found] == [
        ("NOTHING_YET", Severity.INFO)
    ]


def test_new_and_unfinished_files_are_no_alarm(pipeline: PipelineBuilder) -> None:
    """Files may land, and a batch may be under way, while the audit looks."""
    run_passed(pipeline)
    pipeline.land("3a.json")
    pipeline.run_batch(written=False, committed=False)
    pipeline.land("new.json")
    found = findings(pipeline)
    assert {each.severity for each in found} == {Severity.INFO}
    assert sorted(each.code for each in found) == ["BATCH_UNFINISHED", "FILES_WAITING"]


def test_quarantined_file_is_named_with_its_error(tmp_path: Path) -> None:
    """A bad file is left out on purpose: it is reported, its rows are not missing."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    path = pipeline.land("bad.json")
    pipeline.discover()
    now = datetime.now(UTC)
    pipeline.ledger.quarantine(QuarantinedFile(1, path, "not UTF-8", "run-1", now))
    pipeline.run_batch()
    (found,) = findings(pipeline)
    assert (found.code, found.severity) == ("FILE_QUARANTINED", Severity.WARNING)
    assert (found.subject, found.evidence) == (path, "not UTF-8")


def test_data_risk_is_lost_or_duplicated(pipeline: PipelineBuilder) -> None:
    """What to do next hangs on which way the rows went wrong."""
    lose_rows(pipeline)
    ingest_twice(pipeline)
    risks = {each.code: each.data_risk for each in findings(pipeline)}
    assert risks["ROWS_MISSING"] is DataRisk.LOST
    assert risks["ROWS_DUPLICATED"] is DataRisk.DUPLICATED


def test_forgotten_file_in_the_table_risks_duplicates(
    pipeline: PipelineBuilder,
) -> None:
    """A file that the ledger forgot would be discovered and read again."""
    forget_in_ledger(pipeline)
    (found,) = findings(pipeline)
    assert found.data_risk is DataRisk.DUPLICATED


def test_many_findings_of_a_code_are_cut_with_their_number(tmp_path: Path) -> None:
    """A page of twenty thousand equal lines is no page."""
    pipeline = PipelineBuilder(pipeline_config(tmp_path))
    paths = [pipeline.land(f"{number}.json", rows=1) for number in range(60)]
    pipeline.run_batch()
    pipeline.write_rows(paths)
    found = findings(pipeline)
    assert len(found) == 51
    assert found[-1].subject == "10 more"
