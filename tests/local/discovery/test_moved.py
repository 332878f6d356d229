from __future__ import annotations

import os
from pathlib import Path
from shutil import copytree

import pytest

from sluice.discovery.moved import require_same_path
from sluice.discovery.run import discover
from sluice.errors import Condition, FatalError
from sluice.ledger.ledger import Ledger
from sluice.options.options import CloudFilesOptions, parse_options


def options(folder: Path, landing: str) -> CloudFilesOptions:
    """Return the options of a stream over ``landing``; its ledger stays."""
    return parse_options(
        {
            "path": str(folder / landing),
            "cloudFiles.format": "json",
            "cloudFiles.schemaLocation": str(folder / "schemas"),
        }
    )


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return a ledger that knows three files of the folder ``old``."""
    for number in range(3):
        land(tmp_path, f"old/sub/{number}.json", "{}" * number)
    ledger = Ledger.open_or_create(str(tmp_path / "schemas"))
    discover(ledger, options(tmp_path, "old"), run_id="run-1")
    return ledger


def land(folder: Path, name: str, content: str) -> Path:
    """Write a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def require_refused(ledger: Ledger, folder: Path, landing: str) -> None:
    """Require that the folder is recognised as ``old``."""
    with pytest.raises(FatalError) as caught:
        require_same_path(options(folder, landing), ledger)
    assert caught.value.condition is Condition.LANDING_MOVED
    assert caught.value.context["known"] == str(folder / "old")


def test_one_file_of_the_moved_folder_is_enough(ledger: Ledger, tmp_path: Path) -> None:
    """Others may be gone, and newer ones have come."""
    (tmp_path / "old").rename(tmp_path / "new")
    (tmp_path / "new/sub/0.json").unlink()
    (tmp_path / "new/sub/1.json").unlink()
    for number in range(9):
        land(tmp_path, f"new/later-{number}.json", "{}")
    require_refused(ledger, tmp_path, "new")
    require_refused(ledger, tmp_path, "new/*/")


def test_copy_whose_files_have_other_times_is_refused(
    ledger: Ledger, tmp_path: Path
) -> None:
    """As of a bucket, where each object of a copy has a time of its own."""
    copytree(tmp_path / "old", tmp_path / "new")
    for path in (tmp_path / "new").rglob("*.json"):
        os.utime(path, (1, 1))
    require_refused(ledger, tmp_path, "new")


def test_other_folder_is_let_pass(ledger: Ledger, tmp_path: Path) -> None:
    """A source may go on in another folder: names, and a size, may repeat there."""
    (tmp_path / "empty").mkdir()
    require_same_path(options(tmp_path, "empty"), ledger)
    land(tmp_path, "new/sub/0.json", "")
    for number in (1, 2):
        land(tmp_path, f"new/sub/{number}.json", "other")
    require_same_path(options(tmp_path, "new"), ledger)


def test_part_of_the_folder_is_let_pass(ledger: Ledger, tmp_path: Path) -> None:
    """The paths are the same, so nothing is read again."""
    require_same_path(options(tmp_path, "old"), ledger)
    require_same_path(options(tmp_path, "old/sub"), ledger)
    require_same_path(options(tmp_path, "."), ledger)
