"""What was lost or set back is refused before anything is written."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree, rmtree

import pytest

from sluice.checkpoint.write import write_adopting
from sluice.errors import Condition, FatalError, UsageError
from sluice.preflight.plan import plan_run
from support.builders import (
    START,
    PipelineBuilder,
    pipeline_config,
)
from support.preflights import check, refusal


def test_lost_checkpoint_and_ledger_are_refused(pipeline: PipelineBuilder) -> None:
    """A table of one commit, which is its version 0, has rows to double as well."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_checkpoint_location)
    rmtree(pipeline.config.schema_location)

    assert refusal(pipeline).condition is Condition.CHECKPOINT_LOST


def test_replaced_ledger_is_refused(pipeline: PipelineBuilder) -> None:
    """A ledger that was lost and rebuilt counts other files."""
    pipeline.land("a.json")
    pipeline.run_batch()
    expected = pipeline.ledger.ledger_id
    rmtree(pipeline.config.schema_location)

    lost = refusal(pipeline)
    rebuilt = pipeline.ledger.ledger_id
    replaced = refusal(pipeline)

    assert lost.condition is replaced.condition is Condition.LEDGER_MISMATCH
    assert lost.context == {"expected": expected, "found": None}
    assert replaced.context == {"expected": expected, "found": rebuilt}


def test_lost_ledger_is_not_rebuilt_in_passing(pipeline: PipelineBuilder) -> None:
    """The refusal leaves all as it was, for a person to look at."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.schema_location)

    refusal(pipeline)

    assert not Path(pipeline.config.schema_location).exists()


def test_rewound_table_is_refused(pipeline: PipelineBuilder, tmp_path: Path) -> None:
    """The rows of its lost micro-batches would never be read again."""
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
        if name == "a.json":
            copytree(pipeline.config.bronze_location, tmp_path / "backup")
    rmtree(pipeline.config.bronze_location)
    (tmp_path / "backup").rename(pipeline.config.bronze_location)

    error = refusal(pipeline)

    assert error.condition is Condition.TABLE_REWOUND
    assert error.context == {"written": 0, "committed": 1}


def test_lost_table_is_refused(pipeline: PipelineBuilder) -> None:
    """A checkpoint without its table would fill a new one with only the rest."""
    pipeline.land("a.json")
    pipeline.run_batch()
    rmtree(pipeline.config.bronze_location)

    error = refusal(pipeline)

    assert error.condition is Condition.TABLE_REWOUND
    assert error.context == {"written": None, "committed": 0}


@pytest.fixture
def old_ledger(pipeline: PipelineBuilder, tmp_path: Path) -> Path:
    """Return a backup of the ledger that knows one of the two files that were read."""
    pipeline.land("a.json")
    pipeline.run_batch()
    copytree(pipeline.config.schema_location, tmp_path / "backup")
    pipeline.land("b.json")
    pipeline.run_batch()
    return tmp_path / "backup"


@pytest.mark.parametrize("table", ["", "_ledger/files", "_ledger/claims"])
def test_ledger_back_from_an_older_backup_is_refused(
    pipeline: PipelineBuilder, old_ledger: Path, table: str
) -> None:
    """It would number files again: one that was read comes twice, a new one never."""
    current = Path(pipeline.config.schema_location, table)
    rmtree(current)
    copytree(old_ledger / table, current)

    error = refusal(pipeline)

    assert error.condition is Condition.LEDGER_REWOUND
    assert error.context["planned"] == 2
    assert pipeline.ledger.high_seq() == (2 if table == "_ledger/claims" else 1)


def test_checkpoint_and_ledger_back_without_the_table_are_refused(
    pipeline: PipelineBuilder, old_ledger: Path
) -> None:
    """They agree, but Delta would skip the next batch id, whatever files it held."""
    rmtree(pipeline.config.schema_location)
    copytree(old_ledger, pipeline.config.schema_location)
    for key in ("offsets/1", "commits/1"):
        pipeline.bronze.remove(key)

    error = refusal(pipeline)

    assert error.condition is Condition.LEDGER_REWOUND
    assert error.context == {"ahead": 1, "claimed": 0}


@pytest.mark.parametrize("left", [[], [0]], ids=["all", "newest"])
def test_lost_commit_log_does_not_hide_a_lost_table(
    pipeline: PipelineBuilder, left: list[int]
) -> None:
    """Spark repeats only the newest planned batch, whatever the commit log has lost."""
    for name in ("a.json", "b.json", "c.json"):
        pipeline.land(name)
        pipeline.run_batch()
    for batch in {0, 1, 2} - set(left):
        pipeline.bronze.remove(f"commits/{batch}")
    rmtree(pipeline.config.bronze_location)

    error = refusal(pipeline)

    assert error.condition is Condition.TABLE_REWOUND
    assert error.context == {"written": None, "committed": 1}


def test_checkpoint_of_another_source_is_refused(pipeline: PipelineBuilder) -> None:
    """Its offsets say nothing of our files."""
    pipeline.land("a.json")
    pipeline.bronze.plan(0, '{"reservoirVersion":1,"index":-1}')

    assert refusal(pipeline).condition is Condition.CHECKPOINT_UNREADABLE


def test_commit_without_its_offsets_is_refused(pipeline: PipelineBuilder) -> None:
    """How far the table was read is in the offsets and nowhere else."""
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        pipeline.run_batch()
    pipeline.bronze.remove("offsets/1")

    error = refusal(pipeline)

    assert error.condition is Condition.CHECKPOINT_UNREADABLE
    assert error.context["missing"] == ["offsets/1"]


def test_missing_landing_folder_is_refused(pipeline: PipelineBuilder) -> None:
    """A wrong path must not look like an hour without files."""
    with pytest.raises(UsageError) as caught:
        check(pipeline)

    assert caught.value.condition is Condition.PATH_NOT_FOUND


def test_repaired_checkpoint_needs_its_commit(pipeline: PipelineBuilder) -> None:
    """Spark would run its first micro-batch again, which is none."""
    pipeline.land("a.json")
    pipeline.run_batch()
    location = str(pipeline.bronze.location)
    write_adopting(
        location, pipeline.bronze.query_id, pipeline.offset(1), conf={}, at=START
    )
    (pipeline.bronze.location / "commits" / "0").unlink()

    assert refusal(pipeline).context["missing"] == ["commits/0"]


@pytest.fixture(params=["link", "moved"])
def elsewhere(
    pipeline: PipelineBuilder, tmp_path: Path, request: pytest.FixtureRequest
) -> PipelineBuilder:
    """Return a pipeline that has run, with its lake under another path."""
    pipeline.land("a.json")
    check(pipeline)
    pipeline.run_batch()
    lake, other = Path(pipeline.config.lake), tmp_path / "other"
    if request.param == "link":
        other.symlink_to(lake)
    else:
        copytree(lake, other, ignore=lambda *_: ["other"])
    return PipelineBuilder(pipeline_config(other))


def test_landing_folder_under_another_path_is_refused(
    elsewhere: PipelineBuilder, pipeline: PipelineBuilder
) -> None:
    """Every file in it would be new, and its rows come twice."""
    error = refusal(elsewhere)

    assert error.condition is Condition.LANDING_MOVED
    assert error.context == {
        "path": elsewhere.config.landing_location,
        "known": pipeline.config.landing_location,
    }
    with pytest.raises(FatalError, match="LANDING_MOVED"):
        plan_run(elsewhere.config)
    assert elsewhere.ledger.high_seq() == 1
    assert not check(pipeline).has_work
