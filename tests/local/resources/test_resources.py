"""What a pipeline made is listed whole, and deleted whole or not begun upon."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from sluice.config import PipelineConfig
from sluice.control.hold import hold_lease
from sluice.delta.tables import equal
from sluice.errors import Condition, FatalError, RetryableError, UsageError
from sluice.history import archive_history
from sluice.history.replays import ReplayedFiles, begin_replay
from sluice.history.tables import read_rows
from sluice.preflight.run import preflight
from sluice.resources import Fate, delete_pipeline, list_resources
from sluice.resources import delete as deletion
from support.builders import PipelineBuilder, pipeline_config, window
from support.command_line import Sluice, command_line


class Killed(BaseException):
    """The process ends here."""


def make(lake: Path, name: str = "orders", **bronze: object) -> PipelineBuilder:
    """Return a pipeline that has run: tables, checkpoints, ledger, archive, pages."""
    config = pipeline_config(lake, silver=True, name=name, bronze=bronze)
    pipeline = PipelineBuilder(config)
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    archive_history(config)
    page = Path(config.reports_location, "audit.html")
    page.parent.mkdir(parents=True)
    page.write_text("ok")
    return pipeline


@pytest.fixture
def pipeline(tmp_path: Path) -> PipelineBuilder:
    """Return one of two pipelines of a lake."""
    make(tmp_path, "others")
    return make(tmp_path)


def kinds(config: PipelineConfig, fate: Fate) -> set[str]:
    """Return what kinds of things there are that a deletion deletes, or keeps."""
    return {each.kind for each in list_resources(config) if each.fate is fate}


def files(folder: Path, *parts: str) -> set[str]:
    """Return all files below a folder whose path has one of ``parts``."""
    found = (str(path) for path in folder.rglob("*") if path.is_file())
    return {path for path in found if any(part in path for part in parts)}


def delete(pipeline: PipelineBuilder) -> None:
    """Delete the pipeline."""
    delete_pipeline(pipeline.config, run_id="delete-1")


def rows_of(config: PipelineConfig) -> int:
    """Return how many rows of the archive are the pipeline's."""
    mine = equal(pipeline=config.name)
    tables = (config.ops_location(name) for name in ("batches", "batch_files"))
    return sum(len(read_rows(location, mine)) for location in tables)


def test_everything_is_listed_with_its_size(pipeline: PipelineBuilder) -> None:
    """What is not listed would stay unseen."""
    config = pipeline.config
    aside = Path(f"{config.bronze_checkpoint_location}.replaced-20260101T000000Z")
    aside.mkdir()
    (aside / "metadata").write_text("12345")
    found = {(each.kind, each.location): each for each in list_resources(config)}
    assert kinds(config, Fate.KEPT) == {"landing folder", "Dag in Airflow"}
    assert kinds(config, Fate.DELETED) == {
        "table",
        "checkpoint",
        "moved aside",
        "ledger",
        "rows of a shared table",
        "reports",
    }
    assert found["moved aside", str(aside)].bytes == 5
    bronze = found["table", config.bronze_location]
    paths = files(Path(config.bronze_location), "")
    sizes = [Path(path).stat().st_size for path in paths]
    assert (bronze.files, bronze.bytes) == (len(sizes), sum(sizes))
    shared = found["rows of a shared table", config.ops_location("batches")]
    assert (shared.rows, shared.bytes) == (2, None)


def test_listing_changes_nothing(pipeline: PipelineBuilder, tmp_path: Path) -> None:
    """It is there to look before one deletes."""
    before = sorted(tmp_path.rglob("*"))
    list_resources(pipeline.config)
    assert sorted(tmp_path.rglob("*")) == before


def test_deleting_leaves_the_landed_files_and_the_others(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """Only what can be made again from the landing folder goes."""
    landed = Path(pipeline.config.landing_location, "a.json")
    others = files(tmp_path, "/others")
    config = make(tmp_path / "x", "others").config

    delete(pipeline)

    assert files(tmp_path, "/orders") == {str(landed)}
    assert files(tmp_path, "/others") >= others
    assert rows_of(pipeline.config) == 0
    assert rows_of(pipeline_config(tmp_path, name="others")) == 3 == rows_of(config)
    assert kinds(pipeline.config, Fate.DELETED) == set()


def test_what_a_replay_left_to_do_goes_with_the_pipeline(
    pipeline: PipelineBuilder, tmp_path: Path
) -> None:
    """Windows that wait for their computation are kept beside the ledger."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    replay = ReplayedFiles(
        replay_id="r", run_id="run", at=at, after_version=0, files=()
    )
    begin_replay(pipeline.config, replay, {"orders_windowed_aggregates": [(at, at)]})
    left = Path(pipeline.config.schema_location, "_replays")
    assert "replays to finish" in kinds(pipeline.config, Fate.DELETED)

    delete(pipeline)

    assert not left.exists()


def test_deleted_pipeline_begins_again(pipeline: PipelineBuilder) -> None:
    """The very first run reads what has landed, once."""
    delete(pipeline)
    assert preflight(pipeline.config, run_id="run-2").new_files == 1
    fresh = PipelineBuilder(pipeline.config)
    fresh.run_batch()
    assert DeltaTable(pipeline.config.bronze_location).version() == 0


def test_deleting_twice_is_deleting_once(pipeline: PipelineBuilder) -> None:
    """Also of a pipeline that never ran."""
    delete(pipeline)
    delete(pipeline)


@pytest.mark.parametrize("step", range(8))
def test_killed_deletion_refuses_runs_until_it_is_finished(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Half of a pipeline must never be taken for a whole one."""
    done = 0

    def killed_at_last(remove: Callable[..., None]) -> Callable[..., None]:
        def call(*given: object) -> None:
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            remove(*given)

        return call

    with monkeypatch.context() as patched:
        for name in ("remove", "_delete_rows", "end_pending"):
            kept = getattr(deletion, name)
            patched.setattr(deletion, name, killed_at_last(kept))
        with pytest.raises(Killed):
            delete(pipeline)
    with pytest.raises(FatalError) as caught:
        preflight(pipeline.config, run_id="run-2")
    assert caught.value.condition is Condition.DELETION_UNFINISHED
    assert "sluice resources orders --delete" in str(caught.value)

    delete(pipeline)

    assert kinds(pipeline.config, Fate.DELETED) == set()
    assert preflight(pipeline.config, run_id="run-3").new_files == 1


def test_part_of_a_table_that_a_kill_left_is_deleted_too(
    pipeline: PipelineBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without its log is no table any more, but it was one."""
    config = pipeline.config
    log = Path(config.bronze_location, "_delta_log")

    def half(location: str) -> None:
        if location == config.bronze_location:
            log.rename(log.with_name("gone"))
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(deletion, "remove", half)
        with pytest.raises(Killed):
            delete(pipeline)
    assert "table" in kinds(config, Fate.DELETED)
    delete(pipeline)
    assert not Path(config.bronze_location).exists()


def test_running_pipeline_is_not_deleted(pipeline: PipelineBuilder) -> None:
    """Its driver would write on into what is gone."""
    location = pipeline.config.silver_checkpoint_location(pipeline.windows)
    expiry = timedelta(seconds=2)
    with hold_lease(location, query="windows", run_id="run-1", expiry=expiry):
        before = files(Path(pipeline.config.lake), "/orders")
        with pytest.raises(RetryableError) as caught:
            delete(pipeline)
        assert files(Path(pipeline.config.lake), "/orders") >= before
    assert caught.value.condition is Condition.LEASE_HELD
    delete(pipeline)


def test_folder_that_is_not_what_it_should_be_is_kept(
    pipeline: PipelineBuilder,
) -> None:
    """A path that was mistyped may lead to another owner's files."""
    config = pipeline.config
    Path(config.bronze_location, "_delta_log").rename(
        Path(config.bronze_location, "something")
    )
    assert "table" in kinds(config, Fate.KEPT)
    delete(pipeline)
    assert Path(config.bronze_location, "something").is_dir()


@pytest.mark.parametrize("within", ["landing", "bronze", "schemas"])
def test_folder_with_other_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: str
) -> None:
    """Deleting it would delete what another pipeline made, or all that ever landed."""
    table = str(tmp_path / "table")
    pipeline = make(tmp_path / "lake", table=table)
    text = f"name: other\nlake: {tmp_path / 'lake2'}\nbronze:\n  "
    within_table = f"{table}/other"
    schemas = pipeline.config.schema_location
    text += {
        "landing": f"source: {{path: {within_table}}}\n",
        "bronze": f"table: {within_table}\n",
        "schemas": f"source: {{options: {{cloudFiles.schemaLocation: {schemas}}}}}\n",
    }[within]
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/other.yaml").write_text(text)
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path / "pipelines"))
    before = files(tmp_path, "")
    with pytest.raises(FatalError) as caught:
        delete(pipeline)
    assert caught.value.condition is Condition.DELETION_REFUSED
    assert files(tmp_path, "") == before


def test_table_around_the_landing_folder_is_refused(tmp_path: Path) -> None:
    """What landed cannot be made again."""
    source = {"path": str(tmp_path / "lake/bronze/orders/landing")}
    pipeline = make(tmp_path / "lake", source=source)
    with pytest.raises(FatalError) as caught:
        delete(pipeline)
    assert caught.value.condition is Condition.DELETION_REFUSED
    assert Path(pipeline.config.landing_location, "a.json").is_file()


def test_unreadable_pipeline_file_stops_a_deletion(
    pipeline: PipelineBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it calls its own is not known."""
    (tmp_path / "wrong.yaml").write_text("nam: x\n")
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path))
    with pytest.raises(UsageError, match="nothing is deleted"):
        delete(pipeline)


@pytest.fixture
def sluice(
    pipeline: PipelineBuilder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Sluice:
    """Return ``sluice resources``: its exit code and what it printed."""
    file = tmp_path / "orders.yaml"
    file.write_text(f"name: orders\nlake: {pipeline.config.lake}\n")
    command = command_line(capsys, monkeypatch)

    def call(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed}\n"))
        return command("resources", str(file), *arguments)

    return call


def test_command_lists_as_json(pipeline: PipelineBuilder, sluice: Sluice) -> None:
    """Programs read this."""
    code, out, _ = sluice("--json")
    assert code == 0
    found = {each["location"]: each for each in json.loads(out)}
    assert found[pipeline.config.bronze_location]["fate"] == "deleted"


def test_command_asks_for_the_name_before_it_deletes(
    pipeline: PipelineBuilder, sluice: Sluice
) -> None:
    """A ``y`` is typed too easily."""
    code, _, err = sluice("--delete", typed="y")
    assert (code, "nothing was deleted" in err) == (64, True)
    assert Path(pipeline.config.bronze_location).is_dir()
    code, out, _ = sluice("--delete", typed="orders")
    assert (code, "landing" in out) == (0, True)
    assert not Path(pipeline.config.bronze_location).exists()


def test_command_deletes_without_asking_where_asked(
    pipeline: PipelineBuilder, sluice: Sluice
) -> None:
    """For scripts; the JSON says what remains."""
    code, out, _ = sluice("--delete", "--yes", "--json")
    assert code == 0
    assert {each["fate"] for each in json.loads(out)} == {"kept"}
    assert not Path(pipeline.config.bronze_location).exists()


def test_open_windows_are_its_own_though_none_are_asked_for_now(
    pipeline: PipelineBuilder,
) -> None:
    """As their commit says; another table of that name stays."""
    config, (silver,) = pipeline.config, pipeline.config.silver
    location, rows = config.live_location(silver), pa.table({"order_count": [1]})
    write_deltalake(location, rows)
    assert "open windows" not in kinds(config, Fate.DELETED)

    said = {"userMetadata": json.dumps({"step": "live"})}
    commit = CommitProperties(custom_metadata=said)
    write_deltalake(location, rows, mode="overwrite", commit_properties=commit)
    assert "open windows" in kinds(config, Fate.DELETED)
    delete_pipeline(config, run_id="delete")
    assert not Path(location).exists()
