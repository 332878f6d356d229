from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluice.cleanup.removal import Removal, removal_for
from sluice.model import LedgerFile
from sluice.storage import status

LEDGER = "0123456789"
SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    """Return a landed file as the ledger has it."""
    path = tmp_path / "landing/a.json"
    path.parent.mkdir()
    path.write_text("read")
    found = status(str(path))
    assert found is not None
    return LedgerFile(7, str(path), found.size, found.modified)


@pytest.fixture
def removal(file: LedgerFile) -> Removal:
    """Return the steps by which it goes."""
    return removal_for(str(Path(file.path).parent), LEDGER)


def names(folder: Path) -> list[str]:
    """Return the names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def test_taken_file_is_out_of_sight_until_it_is_given_back(
    file: LedgerFile, removal: Removal
) -> None:
    """Under a hidden name no writer puts another file in its place."""
    folder = Path(file.path).parent
    assert removal.take(file)
    assert removal.is_taken(file)
    assert all(name.startswith(".") for name in names(folder))
    removal.give_back(file)
    assert names(folder) == ["a.json"]
    assert not removal.is_taken(file)


def test_version_that_came_after_the_proof_goes_back_to_its_name(
    file: LedgerFile, removal: Removal
) -> None:
    """It was never read; what was proven is the one before."""
    Path(file.path).write_text("new!")
    assert not removal.take(file)
    assert names(Path(file.path).parent) == ["a.json"]
    assert Path(file.path).read_text() == "new!"


def test_file_that_is_not_there_cannot_be_taken(
    file: LedgerFile, removal: Removal
) -> None:
    """Another process was faster."""
    Path(file.path).unlink()
    assert not removal.take(file)


def test_two_newer_versions_are_both_kept(file: LedgerFile, removal: Removal) -> None:
    """One holds the name, so the other cannot go back: it is named in the error."""
    assert removal.take(file)
    Path(file.path).write_text("newer")
    with pytest.raises(FileExistsError, match="kept as"):
        removal.give_back(file)
    assert sorted(path.read_text() for path in Path(file.path).parent.iterdir()) == [
        "newer",
        "read",
    ]


def test_moved_file_is_the_same_file(
    file: LedgerFile, removal: Removal, tmp_path: Path
) -> None:
    """With its times, and again after a kill without a second copy."""
    archive, place = str(tmp_path / "archive"), str(tmp_path / "archive/a.json")
    removal.take(file)
    assert removal.keep(file, archive) == removal.keep(file, archive) == place
    removal.finish(file)
    removal.finish(file)
    found = status(place)
    assert found is not None
    assert (found.size, found.modified) == (file.size, file.modified)
    assert names(tmp_path / "archive") == ["a.json"]
    assert names(tmp_path / "landing") == []


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no second file system")
def test_move_to_another_file_system_is_a_copy_that_was_compared(
    file: LedgerFile, removal: Removal, tmp_path: Path
) -> None:
    """There is no link between two; a name is only given to what is whole."""
    folder = SHARED_MEMORY / f"sluice-{os.getpid()}-{tmp_path.name}"
    try:
        removal.take(file)
        archive, place = str(folder), str(folder / "a.json")
        assert removal.keep(file, archive) == removal.keep(file, archive) == place
        found = status(place)
        assert found is not None
        assert (found.size, found.modified) == (file.size, file.modified)
        assert names(folder) == ["a.json"]
    finally:
        (folder / "a.json").unlink(missing_ok=True)
        folder.rmdir()
