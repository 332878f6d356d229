from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.audit.run import run_audit
from sluice.cleanup import pipeline as clean
from sluice.cleanup.pipeline import clean_landing
from sluice.cleanup.remove import Remover
from sluice.discovery.run import discover
from sluice.errors import Condition, UsageError
from sluice.history import archive_history
from sluice.history.steps import read_steps
from sluice.ledger.events import EventKind
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import CHAIN_START, SeqRange
from sluice.options.options import parse_options
from sluice.preflight.plan import plan_run
from sluice.preflight.run import preflight
from support.builders import PipelineBuilder, pipeline_config
from support.tree import with_times

MOVE = {
    "cloudFiles.cleanSource": "MOVE",
    "cloudFiles.cleanSource.retentionDuration": "0 seconds",
}
DELETE = {"cloudFiles.cleanSource": "DELETE"}


def reader(
    lake: Path, name: str, landing: Path, options: dict[str, str] | None = None
) -> PipelineBuilder:
    """Return a pipeline that reads ``landing``, its lake its own."""
    source = {"path": str(landing), "options": options or {}}
    config = pipeline_config(lake / name, name=name, bronze={"source": source})
    landing.mkdir(parents=True, exist_ok=True)
    return PipelineBuilder(config)


def mover(lake: Path, **options: str) -> PipelineBuilder:
    """Return a pipeline that moves what it has to ``archive`` at once."""
    moving = MOVE | {"cloudFiles.cleanSource.moveDestination": str(lake / "archive")}
    return reader(lake, "orders", lake / "landing", moving | options)


def ingest(pipeline: PipelineBuilder) -> None:
    """Run a micro-batch over what has landed, and archive it."""
    pipeline.run_batch()
    archive_history(pipeline.config)


def run(pipeline: PipelineBuilder) -> dict[str, int]:
    """Clean, and return the counts."""
    summary = clean_landing(pipeline.config, run_id="run-1")
    return summary.counts if summary else {}


def landed(lake: Path) -> list[str]:
    """Return the names that a listing of the landing folder sees."""
    found = (lake / "landing").rglob("*")
    names = [str(path.relative_to(lake / "landing")) for path in found]
    return sorted(each for each in names if not each.startswith(("_", ".")))


def archived(lake: Path) -> list[str]:
    """Return the files below the destination."""
    files = (path for path in (lake / "archive").rglob("*") if path.is_file())
    return sorted(str(path.relative_to(lake / "archive")) for path in files)


def details(pipeline: PipelineBuilder) -> dict[str, dict[str, str]]:
    """Return what the ledger says of each archived file."""
    events = pipeline.ledger.events(EventKind.ARCHIVED)
    return {Path(each.path).name: json.loads(each.detail) for each in events}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Return what sets the clock of the cleaning forward."""

    def set_forward(by: timedelta) -> None:
        class Later(datetime):
            @classmethod
            def now(cls, tz: object = UTC) -> datetime:
                return datetime.now(UTC) + by

        monkeypatch.setattr(clean, "datetime", Later)

    return set_forward


def test_committed_file_is_moved_with_its_path_and_recorded(tmp_path: Path) -> None:
    """The ledger says where every file went, and the run how many."""
    pipeline = mover(tmp_path)
    path = pipeline.land("2026/a.json")
    before = Path(path).stat()
    ingest(pipeline)

    assert run(pipeline) == {"files_cleaned": 1}

    moved = tmp_path / "archive/2026/a.json"
    assert (moved.stat().st_size, moved.stat().st_mtime_ns) == (
        before.st_size,
        before.st_mtime_ns,
    )
    assert landed(tmp_path) == ["2026"]
    assert details(pipeline) == {
        "a.json": {"mode": "MOVE", "location": str(moved), "by": "orders"}
    }
    (step,) = read_steps(pipeline.config, "run-1")
    assert (step.step, step.counts) == ("clean", {"files_cleaned": 1})
    assert run(pipeline) == {}


def test_off_is_the_default_and_touches_nothing(tmp_path: Path) -> None:
    """Who does not ask for it keeps all files."""
    pipeline = reader(tmp_path, "orders", tmp_path / "landing")
    pipeline.land("a.json")
    ingest(pipeline)
    assert run(pipeline) == {}
    assert landed(tmp_path) == ["a.json"]


def test_retention_counts_from_the_commit(
    tmp_path: Path, later: Callable[[timedelta], None]
) -> None:
    """A file as old as you like stays until its rows are in for that long."""
    pipeline = mover(
        tmp_path, **{"cloudFiles.cleanSource.retentionDuration": "2 weeks"}
    )
    os.utime(pipeline.land("a.json"), (0, 0))
    ingest(pipeline)

    later(timedelta(days=13, hours=23))
    assert run(pipeline) == {}
    later(timedelta(days=14, minutes=1))
    assert run(pipeline) == {"files_cleaned": 1}


def test_delete_keeps_what_is_young_and_records_what_goes(
    tmp_path: Path, later: Callable[[timedelta], None]
) -> None:
    """Deleting is the one thing that cannot be taken back."""
    unused = {"cloudFiles.cleanSource.moveDestination": str(tmp_path / "archive")}
    pipeline = reader(tmp_path, "orders", tmp_path / "landing", DELETE | unused)
    pipeline.land("a.json")
    ingest(pipeline)
    later(timedelta(days=29))
    assert run(pipeline) == {}
    later(timedelta(days=31))
    assert run(pipeline) == {"files_cleaned": 1}
    assert landed(tmp_path) == archived(tmp_path) == []
    assert details(pipeline)["a.json"] == {
        "mode": "DELETE",
        "location": None,
        "by": "orders",
    }


@pytest.mark.parametrize("stage", ["discovered", "planned", "written"])
def test_file_of_an_unproven_commit_stays(tmp_path: Path, stage: str) -> None:
    """Discovered, planned, even written: only what is archived as committed goes."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    if stage == "discovered":
        pipeline.discover()
    else:
        pipeline.run_batch(written=stage == "written", committed=False)
    assert run(pipeline) == {}
    assert landed(tmp_path) == ["a.json"]


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


def test_name_that_was_used_again_is_not_touched(tmp_path: Path) -> None:
    """The new content was never read: moving it away would lose it."""
    pipeline = mover(tmp_path)
    path = Path(pipeline.land("a.json"))
    ingest(pipeline)
    path.write_text("{}\n")
    assert run(pipeline) == {"files_changed": 1}
    assert path.read_text() == "{}\n"
    assert run(pipeline) == {}


def test_same_size_and_another_time_is_another_file(tmp_path: Path) -> None:
    """Sizes repeat."""
    pipeline = mover(tmp_path)
    path = Path(pipeline.land("a.json"))
    ingest(pipeline)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1000))
    assert run(pipeline) == {"files_changed": 1}


@pytest.mark.parametrize("damage", ["restored", "deleted", "doubled"])
def test_file_stays_whose_rows_are_not_what_was_committed(
    tmp_path: Path, damage: str
) -> None:
    """After a RESTORE the landed file is the only copy of its rows."""
    pipeline = mover(tmp_path)
    pipeline.land("first.json")
    ingest(pipeline)
    path = pipeline.land("a.json")
    ingest(pipeline)
    table = DeltaTable(pipeline.config.bronze_location)
    if damage == "restored":
        table.restore(0)
    elif damage == "deleted":
        table.delete("order_id = 'a.json-1'")
    else:
        pipeline.write_rows([path])
    assert run(pipeline) == {"files_cleaned": 1, "files_unproven": 1}
    assert landed(tmp_path) == ["a.json"]


def test_compacted_table_proves_as_before(tmp_path: Path) -> None:
    """OPTIMIZE changes no row."""
    pipeline = mover(tmp_path)
    for name in ("a.json", "b.json"):
        pipeline.land(name)
        ingest(pipeline)
    DeltaTable(pipeline.config.bronze_location).optimize.compact()
    assert run(pipeline) == {"files_cleaned": 2}


def test_file_in_quarantine_stays(tmp_path: Path) -> None:
    """None of its rows is in the table, and it will be looked at."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    pipeline.land("bad.json")
    pipeline.discover()
    bad = next(f for f in pipeline.ledger.files() if f.path.endswith("bad.json"))
    now = datetime.now(UTC)
    pipeline.ledger.quarantine(QuarantinedFile(bad.seq, bad.path, "bad", "run-1", now))
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 1, "files_unproven": 1}
    assert landed(tmp_path) == ["bad.json"]


def test_file_without_rows_goes_only_if_it_is_empty(tmp_path: Path) -> None:
    """No row of a file that has bytes is no proof that it was read."""
    pipeline = mover(tmp_path)
    pipeline.land("empty.json", rows=0)
    blank = Path(pipeline.config.landing_location, "blank.json")
    blank.write_text("")
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 2}


def test_destination_that_is_taken_is_never_overwritten(tmp_path: Path) -> None:
    """The file gets a second name, and the ledger says which."""
    pipeline = mover(tmp_path)
    there = tmp_path / "archive/a.json"
    there.parent.mkdir()
    there.write_text("somebody's")
    pipeline.land("a.json")
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 1}
    assert there.read_text() == "somebody's"
    second = Path(details(pipeline)["a.json"]["location"])
    assert (second.parent, second != there) == (there.parent, True)
    assert second.read_text().count("\n") == 3


def test_destination_that_cannot_be_written_keeps_the_file_in_place(
    tmp_path: Path,
) -> None:
    """What fails is counted, and tried again by the next run."""
    pipeline = mover(tmp_path)
    (tmp_path / "archive").write_text("no folder")
    pipeline.land("a.json")
    ingest(pipeline)
    summary = clean_landing(pipeline.config, run_id="run-1")
    assert summary is not None
    assert summary.counts == {"files_failed": 1}
    assert "archive" in summary.notes[0]
    assert landed(tmp_path) == ["a.json"]
    (tmp_path / "archive").unlink()
    assert run(pipeline) == {"files_cleaned": 1}


def test_removal_that_fails_half_way_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file stays under a hidden name, and none goes without a record."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)

    def fail(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(Remover, "_record", fail)
        with pytest.raises(ConnectionError):
            run(pipeline)
    assert landed(tmp_path) == []

    assert run(pipeline) == {"files_cleaned": 1}
    assert archived(tmp_path) == ["a.json"]
    assert details(pipeline).keys() == {"a.json"}


def test_table_that_cannot_be_read_keeps_the_files(tmp_path: Path) -> None:
    """Nothing is proven then, and the run says so."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    log = Path(pipeline.config.bronze_location, "_delta_log")
    for entry in log.iterdir():
        entry.write_text("{")
    assert run(pipeline) == {"files_failed": 1}
    assert landed(tmp_path) == ["a.json"]


def test_thousands_of_files_go_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each group is one commit to the ledger; together they are all files."""
    monkeypatch.setattr("sluice.cleanup.run.CHUNK", 4)
    monkeypatch.setattr("sluice.cleanup.run._SPAN", 3)
    pipeline = mover(tmp_path)
    for number in range(10):
        pipeline.land(f"{number}.json", rows=1)
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 10}
    assert len(archived(tmp_path)) == len(details(pipeline)) == 10


def test_archived_file_is_no_finding_of_the_audit(tmp_path: Path) -> None:
    """It is not there because we took it, and its rows are."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    run(pipeline)
    assert run_audit(pipeline.config).verdict == "ok"


def test_archived_file_whose_rows_are_deleted_is_a_finding(tmp_path: Path) -> None:
    """That the file went by our own hand must not hide that its rows did, too."""
    pipeline = mover(tmp_path)
    paths = [pipeline.land(name) for name in ("a.json", "b.json")]
    ingest(pipeline)
    run(pipeline)
    DeltaTable(pipeline.config.bronze_location).delete("order_id like 'a.json%'")
    (found,) = run_audit(pipeline.config).findings
    assert found.code == "ROWS_DELETED"
    assert f"{paths[0]} (0 of 3 left)" in found.evidence


def test_file_that_another_process_removed_is_counted_once(tmp_path: Path) -> None:
    """There is nothing to do with it, and no event of ours."""
    pipeline = mover(tmp_path)
    path = Path(pipeline.land("a.json"))
    ingest(pipeline)
    path.unlink()
    assert run(pipeline) == {"files_gone": 1}
    assert run(pipeline) == details(pipeline) == {}


def test_file_with_bytes_and_no_rows_is_not_proven(tmp_path: Path) -> None:
    """A committed micro-batch that read it wrote nothing of it."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    pipeline.land("b.json")
    write = pipeline.write_rows
    pipeline.write_rows = lambda paths, **batch: write(  # type: ignore[method-assign]
        [path for path in paths if path.endswith("a.json")], **batch
    )
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 1, "files_unproven": 1}
    assert landed(tmp_path) == ["b.json"]


def test_commit_of_another_ledger_proves_nothing(tmp_path: Path) -> None:
    """It read what had the name then; a rebuilt ledger lists what has it now."""
    pipeline = mover(tmp_path)
    path = Path(pipeline.land("a.json"))
    ingest(pipeline)
    path.write_text('{"order_id": "new"}\n')
    Path(pipeline.ledger.root).rename(f"{pipeline.ledger.root}-old")
    pipeline.discover()
    pipeline.ledger.claim(SeqRange(CHAIN_START, 1), run_id="rebuild")
    pipeline.land("b.json")
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 1, "files_waiting": 1}
    assert landed(tmp_path) == ["a.json"]


def test_cleaning_takes_away_only_what_it_proved(tmp_path: Path) -> None:
    """All else in the folder is as it was: names, contents and times."""
    pipeline = mover(tmp_path)
    proven = Path(pipeline.land("sub/a.json"))
    changed = Path(pipeline.land("sub/changed.json"))
    ingest(pipeline)
    changed.write_text("{}")
    pipeline.land("later.json")
    (proven.parent / "_notes").write_text("of another team")
    before = with_times(tmp_path / "landing")

    run(pipeline)

    after = with_times(tmp_path / "landing")
    assert before.keys() - after.keys() == {proven}
    for each in before.keys() - {proven, proven.parent}:
        assert after[each] == before[each]
