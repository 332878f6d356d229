"""Only a file whose rows are proven goes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.ledger.quarantine import QuarantinedFile
from sluice.model import CHAIN_START, SeqRange
from support.cleaning import archived, ingest, landed, mover, run


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


@pytest.mark.parametrize("link", ["file", "folder"])
def test_file_behind_a_link_stays_where_it_is(tmp_path: Path, link: str) -> None:
    """It is read on request, and belongs to what lies there: another table, perhaps."""
    pipeline = mover(tmp_path, **{"sluice.followLinks": "true"})
    elsewhere = Path(pipeline.land("a.json")).rename(tmp_path / "a.json")
    if link == "file":
        (tmp_path / "landing" / "a.json").symlink_to(elsewhere)
    else:
        (tmp_path / "other").mkdir()
        elsewhere = elsewhere.rename(tmp_path / "other" / "a.json")
        (tmp_path / "landing" / "day").symlink_to(tmp_path / "other")
    pipeline.land("b.json")
    ingest(pipeline)
    before = elsewhere.read_bytes()

    assert run(pipeline) == {"files_cleaned": 1, "files_linked": 1}
    assert elsewhere.read_bytes() == before
    assert archived(tmp_path) == ["b.json"]
    assert run(pipeline) == {}


def test_landing_folder_may_be_a_link_itself(tmp_path: Path) -> None:
    """Its pipeline names it, and means what is there."""
    (tmp_path / "real").mkdir()
    (tmp_path / "landing").symlink_to(tmp_path / "real")
    pipeline = mover(tmp_path)
    pipeline.land("a.json")
    ingest(pipeline)

    assert run(pipeline) == {"files_cleaned": 1}
    assert archived(tmp_path) == ["a.json"]
