"""Files whose rows are in the table for long enough are moved or deleted."""

from __future__ import annotations

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
from sluice.history.steps import read_steps
from support.cleaning import (
    DELETE,
    archived,
    details,
    ingest,
    landed,
    mover,
    reader,
    run,
)
from support.tree import with_times


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
    """Without the option all files stay."""
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


def test_destination_that_is_taken_is_never_overwritten(tmp_path: Path) -> None:
    """The file gets a second name, and the ledger says which."""
    pipeline = mover(tmp_path)
    there = tmp_path / "archive/a.json"
    there.parent.mkdir()
    there.write_text("another's")
    pipeline.land("a.json")
    ingest(pipeline)
    assert run(pipeline) == {"files_cleaned": 1}
    assert there.read_text() == "another's"
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
