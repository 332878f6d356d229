from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.discovery import walk as walk_module
from sluice.discovery.listing import is_hidden, list_landed, list_pages
from sluice.errors import Condition, FatalError, UsageError
from sluice.options.options import CloudFilesOptions

_NOBODY = 65534


def options(folder: Path, **fields: object) -> CloudFilesOptions:
    """Return the options of a stream over ``folder``."""
    return replace(
        CloudFilesOptions(path=str(folder), schema_location="/none"), **fields
    )


def names(folder: Path, **fields: object) -> list[str]:
    """Return the paths listed below ``folder``, sorted."""
    found = list_landed(options(folder, **fields))
    return sorted(str(Path(file.path).relative_to(folder)) for file in found)


ODD_NAMES = [
    "g[1].json",
    "h{2}.json",
    "a b%20c.json",
    "star*.json",
    "what?.json",
    "#hash.json",
    "back\\slash.json",
    "new\nline.json",
    "größe-订单.json",
    "e\u0301.json",
    "\u00e9.json",
    "a,b=c.json",
]


def test_odd_names_are_listed_once_and_as_they_are(tmp_path: Path) -> None:
    """Spark's own source reads files with brackets in their names twice."""
    for name in ODD_NAMES:
        (tmp_path / name).touch()

    assert names(tmp_path) == sorted(ODD_NAMES)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    """By Spark's rule: they are markers and files being written."""
    hidden = ("_SUCCESS", ".part", "_tmp/a.json", ".x=1/b.json", "c/_d.json")
    written = ("g._COPYING_", "h._COPYING_/i", "c/j.json._COPYING_")
    taken = ("_day=1/k=2", "c/_l=.m", "e_.f")
    for name in (*hidden, *written, *taken):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert sorted(names(tmp_path)) == sorted(taken)
    assert not any(map(is_hidden, taken))
    assert all(map(is_hidden, (*hidden, *written)))


def test_hidden_folder_above_the_source_does_not_matter(tmp_path: Path) -> None:
    """Only what is below the landing folder has meaning."""
    folder = tmp_path / "_lake" / ".landing"
    folder.mkdir(parents=True)
    (folder / "a.json").touch()

    assert names(folder) == ["a.json"]


def test_times_are_returned_and_decide_nothing(tmp_path: Path) -> None:
    """Loaders that key on modification times lose what is dated in the past."""
    times = {"past": 1, "future": 4_102_444_800, "same1": 1_700_000_000, "same2": 1.7e9}
    for name, seconds in times.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (seconds, seconds))

    found = {
        Path(file.path).name: file.modified for file in list_landed(options(tmp_path))
    }

    assert found == {
        name: datetime.fromtimestamp(seconds, UTC) for name, seconds in times.items()
    }


def test_time_keeps_microseconds(tmp_path: Path) -> None:
    """A float would round the time, and the ledger would not match the listing."""
    (tmp_path / "a").touch()
    os.utime(tmp_path / "a", ns=(0, 1_700_000_000_123_456_789))

    (file,) = list_landed(options(tmp_path))

    assert file.modified == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.json", ["a.json", "sub/c.json"]),
        ("*.{json,gz}", ["a.json", "b.gz", "sub/c.json"]),
        ("{a,{b,x}}.*", ["a.json", "b.gz"]),
        ("[^a]*.json", ["sub/c.json"]),
        ("A.JSON", []),
        ("?.gz", ["b.gz"]),
        ("sub", []),
    ],
)
def test_glob_filter_takes_names_as_hadoop_does(
    tmp_path: Path, pattern: str, expected: list[str]
) -> None:
    """A pattern that Python reads otherwise would leave files out in silence."""
    for name in ("a.json", "b.gz", "sub/c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert names(tmp_path, path_glob_filter=pattern) == expected


def test_subfolders_only_when_recursive(tmp_path: Path) -> None:
    """Auto Loader looks into all folders unless an option forbids it."""
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "a").touch()
    (tmp_path / "b").touch()

    assert names(tmp_path) == ["b", "x/y/a"]
    assert names(tmp_path, recursive=False) == ["b"]


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    """A wrong path must not look like a folder in which nothing landed."""
    with pytest.raises(UsageError) as caught:
        list_landed(options(tmp_path / "none"))

    assert caught.value.condition is Condition.PATH_NOT_FOUND
    assert caught.value.context == {"path": f"{tmp_path}/none"}


def test_source_may_be_one_file(tmp_path: Path) -> None:
    """A path of a file is that file."""
    path = tmp_path / "a.json"
    path.write_bytes(b"12")

    (file,) = list_landed(options(path))

    assert (file.path, file.size) == (str(path), 2)


def test_only_files_are_listed(tmp_path: Path) -> None:
    """Reading a pipe never ends, and a link to nothing cannot be read."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    assert names(tmp_path) == ["link", "real"]


def test_file_that_vanishes_while_listing_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers rename their files into place at any moment, also in this one."""
    for name in ("a", "b", "c/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    scandir = os.scandir

    def vanishing(folder: str):
        entries = scandir(folder)
        (tmp_path / "b").unlink(missing_ok=True)
        (tmp_path / "c" / "d").unlink(missing_ok=True)
        if (tmp_path / "c").is_dir() and folder == str(tmp_path):
            (tmp_path / "c").rmdir()
        return entries

    monkeypatch.setattr(os, "scandir", vanishing)

    assert names(tmp_path) == ["a"]


def test_name_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    """It could be in no table; passing over it would lose its rows in silence."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).touch()

    with pytest.raises(FatalError) as caught:
        list_landed(options(tmp_path))

    assert caught.value.condition is Condition.BAD_FILE
    assert str(caught.value.context["path"]).endswith("\\udcff.json")


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """Make a landing folder whose folder ``b`` we may not read, even if we are root."""
    with tempfile.TemporaryDirectory() as name:
        landing = Path(name)
        landing.chmod(0o755)
        (landing / "b").mkdir()
        (landing / "b").chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(_NOBODY)
        try:
            yield landing
        finally:
            os.seteuid(user)
            (landing / "b").chmod(0o755)


def test_folder_that_may_not_be_read_is_refused_by_name(
    forbidden: Path,
) -> None:
    """Passing over it would lose its files in silence."""
    with pytest.raises(UsageError, match="let the user that runs Sluice") as caught:
        list_landed(options(forbidden))

    assert caught.value.condition is Condition.STORAGE_REFUSED
    assert caught.value.context == {"path": f"{forbidden}/b"}


def later(folder: Path, after: str) -> list[str]:
    """Return the paths listed below ``folder`` after a name in it."""
    pages = list_pages(options(folder), after={str(folder): f"{folder}/{after}"})
    return sorted(
        str(Path(page.path(position)).relative_to(folder))
        for page in pages
        for position in range(len(page.names))
    )


LATER_NAMES = ["a", "a.json", "a/b", "a/c/d", "a/z", "b-", "b/0", "b/1/2", "c"]


@pytest.mark.parametrize("after", [*LATER_NAMES, "", "a/c", "b/", "0", "zz", "a/c/d/e"])
def test_listing_after_a_path_is_the_rest_of_the_full_one(
    tmp_path: Path, after: str
) -> None:
    """In the order in which object storage lists, where a slash is a character."""
    names = [name for name in LATER_NAMES if name != "a"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert later(tmp_path, after) == sorted(name for name in names if name > after)


def test_large_folder_comes_in_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten million names are never in memory at once."""
    monkeypatch.setattr(walk_module, "PAGE_NAMES", 3)
    expected = [f"{number}" for number in range(8)]
    for name in [*expected, "_hidden", "sub/8"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert names(tmp_path) == [*expected, "sub/8"]
    assert all(len(page.names) <= 3 for page in list_pages(options(tmp_path)))


def test_linked_folder_is_listed_and_one_that_leads_back_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Following a link to a folder above would never end."""
    folder = tmp_path / "in" / "sub"
    folder.mkdir(parents=True)
    (tmp_path / "in" / "other").mkdir()
    (tmp_path / "in" / "other" / "a").touch()
    (folder / "b").touch()
    (folder / "linked").symlink_to(tmp_path / "in" / "other")
    (folder / "back").symlink_to(tmp_path / "in")
    (folder / "self").symlink_to(folder)

    assert names(tmp_path / "in") == ["other/a", "sub/b", "sub/linked/a"]
    assert caplog.text.count("leads back") == 2
