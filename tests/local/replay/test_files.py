"""Files chosen from a real ledger and the disk, without Spark."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.errors import Condition, ExitCode, FatalError, RetryableError, UsageError
from sluice.ledger.events import Archived, EventKind, LedgerEvent
from sluice.replay.files import choose_files
from sluice.replay.select import LeftOutReason, Selection
from support.builders import PipelineBuilder, pipeline_config

ALL = Selection(globs=("*",))


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return a pipeline that has read ``a`` and has not discovered ``b`` yet."""
    builder = PipelineBuilder(pipeline_config(tmp_path))
    builder.land("a.json")
    builder.run_batch()
    builder.land("b.json")
    return builder


def names(files: object) -> list[str]:
    """Return the names of files."""
    return [Path(each.path).name for each in files]


def archive(pipeline: PipelineBuilder, location: str | None) -> None:
    """Keep that clean-up took the first file away."""
    file = pipeline.ledger.files()[0]
    event = LedgerEvent(
        kind=EventKind.ARCHIVED,
        seq=file.seq,
        path=file.path,
        detail=Archived(mode="MOVE", location=location, by="orders").detail,
        run_id="run-1",
        at=datetime.now(UTC),
    )
    pipeline.ledger.append_events([event])


def test_a_file_is_expected_as_it_is_now(pipeline: PipelineBuilder) -> None:
    """It was written again since it was read, which is why it is replayed."""
    path = Path(pipeline.config.landing_location, "a.json")
    path.write_text("{}")
    os.utime(path, (1, 1))

    (file,) = choose_files(pipeline.config, ALL).files

    assert (file.seq, file.path, file.size) == (1, str(path), 2)
    assert file.modified == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def test_files_that_were_not_read_are_left_out(pipeline: PipelineBuilder) -> None:
    """They would come twice: by the replay, and by the run that reads them."""
    pipeline.discover()
    chosen = choose_files(pipeline.config, ALL)

    assert names(chosen.files) == ["a.json"]
    assert names(chosen.left_out) == ["b.json"]


@pytest.mark.parametrize(
    "batch",
    [
        {"written": False, "committed": False},
        {"transaction": False, "committed": False},
    ],
)
def test_a_batch_without_a_commit_keeps_its_files(
    pipeline: PipelineBuilder, batch: dict[str, bool]
) -> None:
    """With nothing else to replay this is exit code 75: the batch will be over."""
    pipeline.run_batch(**batch)

    with pytest.raises(RetryableError) as caught:
        choose_files(pipeline.config, Selection(globs=("b.json",)))
    assert caught.value.condition is Condition.NOTHING_TO_REPLAY
    assert caught.value.exit_code is ExitCode.TEMPORARY


def test_a_batch_that_the_table_has_is_over(pipeline: PipelineBuilder) -> None:
    """Spark would repeat it, and Delta would pass over it."""
    pipeline.run_batch(committed=False)

    assert names(choose_files(pipeline.config, ALL).files) == ["a.json", "b.json"]


def test_a_moved_file_is_read_where_it_is_now(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """Its rows keep the name under which it landed."""
    path = Path(pipeline.config.landing_location, "a.json")
    moved = path.rename(tmp_path / "a.json")
    archive(pipeline, str(moved))

    (file,) = choose_files(pipeline.config, Selection(globs=("a.json",))).files

    assert (file.path, file.location) == (str(path), str(moved))


@pytest.mark.parametrize("location", [None, "/nowhere/a.json"])
def test_a_file_that_is_gone_is_left_out(
    pipeline: PipelineBuilder, location: str | None
) -> None:
    """Its rows stay: nothing could be put in their place."""
    Path(pipeline.config.landing_location, "a.json").unlink()
    archive(pipeline, location)

    with pytest.raises(FatalError) as caught:
        choose_files(pipeline.config, Selection(globs=("a.json",)))
    assert caught.value.condition is Condition.NOTHING_TO_REPLAY
    pipeline.run_batch()
    (left_out,) = choose_files(pipeline.config, ALL).left_out
    assert left_out.reason is LeftOutReason.GONE


def test_a_version_to_come_is_left_to_the_run(tmp_path: Path) -> None:
    """Where each version of a name is read, the new one has rows of its own."""
    options = {"cloudFiles.allowOverwrites": "true"}
    bronze = {"source": {"options": options}}
    pipeline = PipelineBuilder(pipeline_config(tmp_path, bronze=bronze))
    path = Path(pipeline.land("a.json"))
    pipeline.land("b.json")
    pipeline.run_batch()
    os.utime(path, (1, 1))

    chosen = choose_files(pipeline.config, ALL)

    assert names(chosen.files) == ["b.json"]
    assert [each.reason for each in chosen.left_out] == [LeftOutReason.CHANGED]


@pytest.mark.parametrize("glob", ["b.json", "nothing"])
def test_an_unknown_file_is_a_mistake(pipeline: PipelineBuilder, glob: str) -> None:
    """Exit code 64: the ledger has no such file, whatever the folder holds."""
    with pytest.raises(UsageError) as caught:
        choose_files(pipeline.config, Selection(globs=(glob,)))
    assert caught.value.condition is Condition.NOTHING_TO_REPLAY


def test_without_a_ledger_there_is_no_file(tmp_path: Path) -> None:
    """The pipeline has not run yet."""
    with pytest.raises(UsageError):
        choose_files(pipeline_config(tmp_path), ALL)
