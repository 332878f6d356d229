from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.cleanup.replanned import find_archived
from sluice.discovery.listing import list_landed
from sluice.ledger.events import Archived, EventKind, LedgerEvent
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions, parse_options


@pytest.fixture
def options(tmp_path: Path) -> CloudFilesOptions:
    """Return the options of a stream with three landed files."""
    for name in ("deleted", "here", "moved"):
        path = tmp_path / f"landing/{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    return parse_options(
        {
            "path": str(tmp_path / "landing"),
            "cloudFiles.format": "json",
            "cloudFiles.schemaLocation": str(tmp_path / "schemas"),
        }
    )


def archive(options: CloudFilesOptions) -> Ledger:
    """Take away two of the files, as the events of the ledger say."""
    ledger = Ledger.open_or_create(options.schema_location)
    ledger.append_new(list_landed(options), run_id="run-1")
    paths = {Path(file.path).stem: file for file in ledger.files()}
    target = Path(options.path).with_name("archive.json")
    Path(paths["moved"].path).rename(target)
    Path(paths["deleted"].path).unlink()
    went = {
        "moved": Archived(mode="MOVE", location=str(target), by="orders"),
        "deleted": Archived(mode="DELETE", location=None, by="orders"),
        "here": Archived(mode="DELETE", location=None, by="orders"),
    }
    ledger.append_events([_event(paths[name], each) for name, each in went.items()])
    return ledger


def _event(file: LedgerFile, archived: Archived) -> LedgerEvent:
    return LedgerEvent(
        kind=EventKind.ARCHIVED,
        seq=file.seq,
        path=file.path,
        detail=archived.detail,
        run_id="run-1",
        at=datetime.now(UTC),
    )


def test_stream_reads_what_lies_in_the_folder(
    options: CloudFilesOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """As Auto Loader after a lost checkpoint, and the log counts the rest."""
    ledger = archive(options)
    found = find_archived(options, ledger, ledger.files())
    assert [Path(file.path).stem for file in found] == ["here"]
    assert "2 planned files" in caplog.text


def test_pipeline_reads_moved_files_where_they_are(options: CloudFilesOptions) -> None:
    """Its table lacks their rows; a deleted one is for the task to name."""
    ledger = archive(options)
    options = replace(options, pipeline="orders")
    found = find_archived(options, ledger, ledger.files())
    assert {Path(file.path).stem: Path(file.location).stem for file in found} == {
        "deleted": "deleted",
        "here": "here",
        "moved": "archive",
    }


def test_without_events_nothing_is_asked(options: CloudFilesOptions) -> None:
    """A ledger that was never cleaned costs nothing."""
    ledger = Ledger.open_or_create(options.schema_location)
    ledger.append_new(list_landed(options), run_id="run-1")
    assert find_archived(options, ledger, ledger.files()) == ledger.files()
    assert find_archived(options, ledger, []) == []
