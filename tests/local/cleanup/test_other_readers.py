"""A landing folder that has another reader is not cleaned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sluice.cleanup.pipeline import clean_landing
from sluice.discovery.run import discover
from sluice.errors import Condition, UsageError
from sluice.ledger.ledger import Ledger
from sluice.options.options import parse_options
from sluice.preflight.plan import plan_run
from sluice.preflight.run import preflight
from support.builders import PipelineBuilder
from support.cleaning import ingest, landed, mover, reader, run


@pytest.fixture
def pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what writes a pipeline file that reads a path."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    monkeypatch.setenv("SLUICE_PIPELINES", str(folder))

    def write(name: str, path: Path) -> Path:
        text = f"name: {name}\nlake: {folder}\nbronze: {{source: {{path: {path}}}}}\n"
        file = folder / f"{name}.yaml"
        file.write_text(text)
        return file

    return write


def refusal(pipeline: PipelineBuilder) -> UsageError:
    """Return the error with which a run is refused before anything is read."""
    with pytest.raises(UsageError) as caught:
        preflight(pipeline.config, run_id="run-1")
    with pytest.raises(UsageError):
        plan_run(pipeline.config)
    assert caught.value.condition is Condition.CLEANING_REFUSED
    return caught.value


@pytest.mark.parametrize("theirs", ["landing", "landing/sub", ".", "archive/sub"])
def test_second_pipeline_on_the_folder_is_refused(
    tmp_path: Path, pipelines: Callable[..., Path], theirs: str
) -> None:
    """A folder above or below, or around the archive, holds the same files."""
    pipeline = mover(tmp_path)
    pipeline.land("sub/a.json")
    pipelines("slow", tmp_path / theirs)
    assert "pipeline 'slow'" in str(refusal(pipeline))
    assert pipeline.ledger.high_seq() == 0


def test_second_pipeline_through_a_link_is_refused(
    tmp_path: Path, pipelines: Callable[..., Path]
) -> None:
    """One folder has two names."""
    pipeline = mover(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "landing")
    pipelines("slow", tmp_path / "link/*.json")
    assert "'slow'" in str(refusal(pipeline))


def test_pipelines_that_do_not_meet_are_let_pass(
    tmp_path: Path, pipelines: Callable[..., Path]
) -> None:
    """Neither is a pipeline that cleans nothing refused for its company."""
    pipeline = mover(tmp_path)
    pipelines("orders", tmp_path / "landing")
    pipelines("apart", tmp_path / "landing2")
    assert not preflight(pipeline.config, run_id="run-1").has_work
    pipelines("slow", tmp_path / "landing")
    keeper = reader(tmp_path, "keeper", tmp_path / "landing")
    assert not preflight(keeper.config, run_id="run-1").has_work


@pytest.mark.parametrize("path", ["landing", "."])
def test_stream_of_the_lake_on_the_folder_is_refused(tmp_path: Path, path: str) -> None:
    """It has no pipeline file: its ledger in the lake says what it read."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    location = Path(pipeline.config.lake, "schemas/stream")
    options = {
        "path": str(tmp_path / path),
        "cloudFiles.format": "json",
        "cloudFiles.schemaLocation": str(location),
        "pathGlobFilter": "a.json",
    }
    ledger = Ledger.open_or_create(str(location))
    assert discover(ledger, parse_options(options), run_id="run-1").files == 1
    assert ledger.root in str(refusal(pipeline))
    location.rename(tmp_path / "moved away")
    assert preflight(pipeline.config, run_id="run-1").has_work


def test_reader_that_comes_during_a_run_ends_the_cleaning(
    tmp_path: Path, pipelines: Callable[..., Path]
) -> None:
    """The rows are in: the files stay, and the run says for whom."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    other = pipelines("slow", tmp_path / "landing")
    summary = clean_landing(pipeline.config, run_id="run-1")
    assert summary is not None
    assert "pipeline 'slow'" in summary.notes[0]
    assert landed(tmp_path) == ["a.json"]
    other.unlink()
    assert run(pipeline) == {"files_cleaned": 1}


def test_pipeline_file_that_cannot_be_read_keeps_the_files_and_not_the_run(
    tmp_path: Path, pipelines: Callable[..., Path]
) -> None:
    """Which folder it reads is unknown; the own rows come in anyway."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    pipelines("slow", tmp_path).write_text("name: [")
    assert preflight(pipeline.config, run_id="run-1").has_work
    ingest(pipeline)
    assert run(pipeline) == {"files_failed": 1}
    assert landed(tmp_path) == ["a.json"]
