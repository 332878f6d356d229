from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from builders import PipelineBuilder, pipeline_config
from sluice import clean
from sluice.audit.run import run_audit
from sluice.clean import clean_landing, register_pipeline
from sluice.errors import Condition, FatalError
from sluice.history import archive_history
from sluice.history.steps import read_steps
from sluice.source.clean import remove
from sluice.source.clean.evidence import Witnesses
from sluice.source.clean.removal import _DiskRemoval
from sluice.source.events import EventKind
from sluice.source.ledger import VERSION_KEY
from sluice.source.quarantine import QuarantinedFile

MOVE = {
    "cloudFiles.cleanSource": "MOVE",
    "cloudFiles.cleanSource.retentionDuration": "0 seconds",
}
DELETE = {"cloudFiles.cleanSource": "DELETE"}


def reader(
    lake: Path, name: str, landing: Path, options: dict[str, str] | None = None
) -> PipelineBuilder:
    """Return a registered pipeline that reads ``landing``, its lake its own."""
    source = {"path": str(landing), "options": options or {}}
    config = pipeline_config(lake / name, name=name, bronze={"source": source})
    landing.mkdir(parents=True, exist_ok=True)
    pipeline = PipelineBuilder(config)
    register_pipeline(config, pipeline.ledger)
    return pipeline


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
    """The ledger tells where every file went, and the run how many."""
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


def test_slow_reader_keeps_its_files(tmp_path: Path) -> None:
    """The fastest consumer must not take away what a slower one has not read."""
    fast, slow = mover(tmp_path), reader(tmp_path, "slow", tmp_path / "landing")
    fast.land("a.json")
    ingest(fast)
    assert run(fast) == {"files_waiting": 1}
    slow.discover()
    assert run(fast) == {"files_waiting": 1}
    assert landed(tmp_path) == ["a.json"]

    ingest(slow)

    assert run(fast) == {"files_cleaned": 1}
    assert details(slow) == details(fast) != {}
    assert landed(tmp_path) == []


@pytest.mark.parametrize("theirs", [".", "landing/sub"])
def test_reader_of_a_folder_above_or_below_counts(tmp_path: Path, theirs: str) -> None:
    """A file belongs to everybody whose folder it lies in, however deep."""
    apart = str(tmp_path.with_name(f"{tmp_path.name}-archive"))
    fast = mover(tmp_path, **{"cloudFiles.cleanSource.moveDestination": apart})
    fast.land("sub/a.json")
    only_json = {"pathGlobFilter": "*.json"}
    slow = reader(tmp_path / "other", "slow", tmp_path / theirs, only_json)
    ingest(fast)
    assert run(fast) == {"files_waiting": 1}
    ingest(slow)
    assert run(fast) == {"files_cleaned": 1}


@pytest.mark.parametrize(
    ("theirs", "options"),
    [
        ("landing", {"pathGlobFilter": "*.csv"}),
        (".", {"recursiveFileLookup": "false"}),
        ("landing/other", {}),
        ("landing/[x-z]*", {}),
    ],
)
def test_reader_that_never_takes_the_file_does_not_hold_it(
    tmp_path: Path, theirs: str, options: dict[str, str]
) -> None:
    """It would otherwise be kept for ever for somebody who does not want it."""
    fast = mover(tmp_path)
    fast.land("a.json")
    (tmp_path / "landing/zzz").mkdir()
    source = {"path": str(tmp_path / theirs), "options": options}
    config = pipeline_config(tmp_path / "other", name="slow", bronze={"source": source})
    (tmp_path / "landing/other").mkdir()
    register_pipeline(config, PipelineBuilder(config).ledger)
    ingest(fast)
    assert run(fast) == {"files_cleaned": 1}


def test_reader_through_a_link_counts(tmp_path: Path) -> None:
    """One folder has two names, and the ledgers spell its files differently."""
    fast = mover(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "landing")
    slow = reader(tmp_path, "slow", tmp_path / "link")
    fast.land("a.json")
    ingest(fast)
    assert run(fast) == {"files_waiting": 1}
    ingest(slow)
    assert run(fast) == {"files_cleaned": 1}


def test_reader_above_the_target_of_a_link_counts(tmp_path: Path) -> None:
    """The folders above a link are not those above what it leads to."""
    real = tmp_path / "real/landing"
    slow = reader(tmp_path, "slow", tmp_path / "real")
    real.mkdir()
    (tmp_path / "landing").symlink_to(real)
    fast = mover(tmp_path)
    fast.land("a.json")
    ingest(fast)
    assert run(fast) == {"files_waiting": 1}
    ingest(slow)
    assert run(fast) == {"files_cleaned": 1}


def test_reader_whose_ledger_is_gone_stops_all_cleaning(tmp_path: Path) -> None:
    """Nobody can tell what it still needs; the warning says how to take it out."""
    fast, slow = mover(tmp_path), reader(tmp_path, "slow", tmp_path / "landing")
    fast.land("a.json")
    ingest(fast)
    ledger = Path(slow.ledger.root)
    ledger.rename(ledger.with_name("lost"))

    summary = clean_landing(fast.config, run_id="run-1")

    assert summary is not None
    assert summary.counts == {"files_failed": 1}
    (note,) = summary.notes
    assert "slow is registered" in note
    assert "remove" in note
    assert landed(tmp_path) == ["a.json"]


def test_reader_of_a_newer_release_keeps_the_files_and_not_the_run(
    tmp_path: Path,
) -> None:
    """What it has read cannot be told, so nothing goes; the own rows are in anyway."""
    pipeline = mover(tmp_path)
    theirs = reader(tmp_path, "theirs", tmp_path / "landing")
    pipeline.land("a.json")
    ingest(pipeline)
    newer = {VERSION_KEY: "2"}
    table = DeltaTable(f"{theirs.ledger.root}/files")
    table.alter.set_table_properties(newer, raise_if_not_exists=False)

    summary = clean_landing(pipeline.config, run_id="run-1")

    assert summary is not None
    assert summary.counts == {"files_failed": 1}
    assert "format version 2" in summary.notes[0]
    assert landed(tmp_path) == ["a.json"]


Moment = Callable[[pytest.MonkeyPatch, Callable[[], None]], None]


def _once(step: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
    """Return ``step`` with something that happens right after its first call."""
    left = [then]

    def call(*given: Any, **named: Any) -> Any:
        done = step(*given, **named)
        while left:
            left.pop()()
        return done

    return call


def after_proof(patch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Let something happen when the files are proven and none is touched."""
    patch.setattr(Witnesses, "judge", _once(Witnesses.judge, then))


def after_last_look(patch: pytest.MonkeyPatch, then: Callable[[], None]) -> None:
    """Let something happen when all is looked at and the first file is not taken."""
    patch.setattr(remove, "_require_unread", _once(remove._require_unread, then))


@pytest.mark.parametrize("mode", [MOVE, DELETE], ids=["move", "delete"])
@pytest.mark.parametrize("moment", [after_proof, after_last_look])
def test_reader_that_comes_during_a_cleaning_gets_every_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    later: Callable[[timedelta], None],
    moment: Moment,
    mode: dict[str, str],
) -> None:
    """It has listed the file that was about to go: it reads it, and then it goes."""
    archive = {"cloudFiles.cleanSource.moveDestination": str(tmp_path / "archive")}
    pipeline = reader(tmp_path, "orders", tmp_path / "landing", mode | archive)
    path = pipeline.land("a.json")
    ingest(pipeline)
    later(timedelta(days=31))
    newcomer: list[PipelineBuilder] = []

    def come() -> None:
        newcomer.append(reader(tmp_path, "newcomer", tmp_path / "landing"))
        assert newcomer[0].discover() == 1

    moment(monkeypatch, come)

    assert run(pipeline) == {"files_waiting": 1}
    assert landed(tmp_path) == ["a.json"]
    assert Path(path).read_text().count("order_id") == 3
    assert archived(tmp_path) == []
    ingest(newcomer[0])
    assert run(pipeline) == {"files_cleaned": 1}
    assert landed(tmp_path) == []


def test_reader_that_comes_once_a_file_is_taken_never_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It registers and then lists: to it the file was gone before it began."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    seen: list[int] = []

    def come() -> None:
        seen.append(reader(tmp_path, "late", tmp_path / "landing").discover())

    keep = _once(remove.Remover._keep, come)
    monkeypatch.setattr(remove.Remover, "_keep", keep)

    assert run(pipeline) == {"files_cleaned": 1}
    assert seen == [0]


def test_reader_that_came_before_a_kill_gets_the_file_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cleaning that finishes what was begun looks who has come since the proof."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)

    def come_and_die() -> None:
        reader(tmp_path, "newcomer", tmp_path / "landing")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_DiskRemoval, "take", _once(_DiskRemoval.take, come_and_die))
        with pytest.raises(KeyboardInterrupt):
            run(pipeline)
    assert landed(tmp_path) == []  # it is taken, under a hidden name

    assert run(pipeline)["files_waiting"] >= 1
    assert landed(tmp_path) == ["a.json"]


def test_registration_that_cannot_be_asked_gives_all_files_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing stays under a hidden name because somebody else is in trouble."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)

    def break_one() -> None:
        (tmp_path / "landing" / "_sluice" / "consumers" / "x.json").write_text("{")

    after_last_look(monkeypatch, break_one)

    assert run(pipeline) == {"files_failed": 1}
    assert landed(tmp_path) == ["a.json"]


def test_ledger_that_was_made_anew_stands_for_the_old_one(tmp_path: Path) -> None:
    """A reader that started over reads the folder again, and only then is done."""
    fast, slow = mover(tmp_path), reader(tmp_path, "slow", tmp_path / "landing")
    fast.land("a.json")
    ingest(fast)
    ingest(slow)
    Path(slow.ledger.root).rename(f"{slow.ledger.root}-old")
    register_pipeline(slow.config, slow.ledger)
    assert run(fast) == {"files_waiting": 1}


def test_pipeline_with_a_file_that_never_ran_stops_all_cleaning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It will read what lies there when it first runs."""
    fast = mover(tmp_path)
    fast.land("a.json")
    ingest(fast)
    (tmp_path / "pipelines").mkdir()
    text = f"name: slow\nlake: {tmp_path / 'x'}\nbronze:\n  source:\n    path: "
    for name, path in {"slow": "landing", "apart": "elsewhere"}.items():
        file = tmp_path / f"pipelines/{name}.yaml"
        file.write_text(f"{text.replace('slow', name)}{tmp_path / path}\n")
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path / "pipelines"))

    summary = clean_landing(fast.config, run_id="run-1")

    assert summary is not None
    assert "pipeline 'slow'" in summary.notes[0]
    assert landed(tmp_path) == ["a.json"]
    (tmp_path / "pipelines/slow.yaml").unlink()
    assert run(fast) == {"files_cleaned": 1}


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
    """None of its rows is in the table, and somebody will want to look at it."""
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


def test_destination_that_somebody_reads_is_refused(tmp_path: Path) -> None:
    """Moved files would be read as new ones."""
    reader(tmp_path, "slow", tmp_path / "archive")
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    summary = clean_landing(pipeline.config, run_id="run-1")
    assert summary is not None
    assert "'slow'" in summary.notes[0]
    assert landed(tmp_path) == ["a.json"]


def test_destination_that_cannot_be_written_keeps_the_file_in_place(
    tmp_path: Path,
) -> None:
    """What fails is counted and told, and tried again by the next run."""
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


def test_landing_folder_that_cannot_be_written_is_refused_only_to_clean(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Reading needs no right to write; the reader is then told that nobody sees it."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "_sluice").write_text("in the way")
    reader(tmp_path, "slow", landing)
    assert "cannot be written to" in caplog.text
    with pytest.raises(FatalError) as caught:
        mover(tmp_path)
    assert caught.value.condition is Condition.CLEANING_BLOCKED


def test_thousands_of_files_go_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each group is one commit to the ledger; together they are all files."""
    monkeypatch.setattr("sluice.source.clean.run.CHUNK", 4)
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


def test_file_that_somebody_else_removed_is_counted_once(tmp_path: Path) -> None:
    """There is nothing to do with it, and no event of ours."""
    pipeline = mover(tmp_path)
    path = Path(pipeline.land("a.json"))
    ingest(pipeline)
    path.unlink()
    assert run(pipeline) == {"files_gone": 1}
    assert run(pipeline) == details(pipeline) == {}


def test_pipeline_that_is_not_registered_cleans_nothing(tmp_path: Path) -> None:
    """If it is not in the registry, nobody knows who else is missing there."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    (registration,) = (tmp_path / "landing/_sluice/consumers").iterdir()
    registration.unlink()
    assert run(pipeline) == {"files_unproven": 1}


def test_reader_that_never_reads_what_was_there_first_does_not_hold_it(
    tmp_path: Path,
) -> None:
    """By ``includeExistingFiles=false`` it said that it does not want these files."""
    fast = mover(tmp_path)
    fast.land("a.json")
    ingest(fast)
    only_new = {"cloudFiles.includeExistingFiles": "false"}
    slow = reader(tmp_path, "slow", tmp_path / "landing", only_new)
    slow.discover()
    slow.ledger.skip_existing()
    assert run(fast) == {"files_cleaned": 1}


def test_reader_that_has_an_older_version_holds_the_newer(tmp_path: Path) -> None:
    """Its rows are of a file that had the same name."""
    fast, slow = mover(tmp_path), reader(tmp_path, "slow", tmp_path / "landing")
    slow.land("a.json", rows=1)
    ingest(slow)
    slow.land("a.json", rows=2)
    ingest(fast)
    assert run(fast) == {"files_unproven": 1}


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
    """Its numbers meant other files."""
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)
    Path(pipeline.ledger.root).rename(f"{pipeline.ledger.root}-old")
    register_pipeline(pipeline.config, pipeline.ledger)
    pipeline.discover()
    assert run(pipeline) == {}
    assert landed(tmp_path) == ["a.json"]


def test_reader_does_not_hold_what_is_hidden_from_it(tmp_path: Path) -> None:
    """Below a name that begins with an underscore it lists nothing."""
    fast = mover(tmp_path / "_in")
    slow = reader(tmp_path, "slow", tmp_path, {"pathGlobFilter": "*.json"})
    fast.land("a.json")
    ingest(fast)
    assert slow.discover() == 0
    assert run(fast) == {"files_cleaned": 1}
