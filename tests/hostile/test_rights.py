"""What may not be read, or is too deep to open, keeps no other file from its table."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from sluice.audit.landing import read_landing
from sluice.discovery.listing import list_landed
from sluice.errors import UsageError
from sluice.options.options import CloudFilesOptions
from support.users import as_another_user


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Return a folder with a good file, a folder and a file without rights."""
    folder = tmp_path / "landing"
    for name in ("a.json", "closed/b.json", "open/c.json", "d.json"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("{}")
    for each in (folder / "open", folder, *folder.parents):
        if each.owner() == Path(tmp_path).owner():
            each.chmod(each.stat().st_mode | 0o055)
        if each.name.startswith("pytest-of"):
            break
    (folder / "closed").chmod(0)
    (folder / "d.json").chmod(0)
    yield folder
    (folder / "closed").chmod(0o700)


def test_others_are_discovered(landing: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning for each; they are new again when they may be read."""
    options = CloudFilesOptions(
        path=str(landing), schema_location="/s", bad_files="quarantine"
    )

    with as_another_user(), caplog.at_level(logging.WARNING):
        found = list_landed(options)
    later = list_landed(options)

    with as_another_user():
        landed = read_landing(options)
    assert "Permission denied" in landed[str(landing / "d.json")].error

    names = [Path(each.path).name for each in found]
    assert sorted(names) == ["a.json", "c.json"]
    assert len([each for each in caplog.messages if "was passed over" in each]) == 2
    (landing / "closed").chmod(0o700)
    assert {Path(each.path).name for each in later} >= {"a.json", "c.json", "d.json"}


def test_source_that_keeps_all_names_the_folder(landing: Path) -> None:
    """As before: the error says which, and what to do."""
    options = CloudFilesOptions(path=str(landing), schema_location="/s")

    with as_another_user(), pytest.raises(UsageError, match="closed"):
        list_landed(options)


def test_root_that_may_not_be_read_is_refused(landing: Path) -> None:
    """That nothing at all is read is no matter of one file."""
    options = CloudFilesOptions(
        path=str(landing / "closed"), schema_location="/s", bad_files="quarantine"
    )

    with as_another_user(), pytest.raises(UsageError, match="cannot be read"):
        list_landed(options)


def test_path_that_is_too_long_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Folders can be nested deeper than a path can say."""
    (tmp_path / "a.json").write_text("{}")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("b.json", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    options = CloudFilesOptions(
        path=str(tmp_path), schema_location="/s", bad_files="quarantine"
    )

    with caplog.at_level(logging.WARNING):
        found = list_landed(options)

    assert [each.path for each in found] == [str(tmp_path / "a.json")]
    assert list(read_landing(options)) == [str(tmp_path / "a.json")]
    assert "File name too long" in caplog.text
