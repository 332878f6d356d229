from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from sluice import storage


def test_put_replaces(tmp_path: Path) -> None:
    """A page is always the newest one."""
    storage.put(str(tmp_path), "key", b"old")
    storage.put(str(tmp_path), "key", b"new")

    assert storage.read(str(tmp_path), "key") == b"new"


def test_absent_key_reads_as_none(tmp_path: Path) -> None:
    """An object that is not there is an answer, not an error."""
    assert storage.read(str(tmp_path), "key") is None
    (tmp_path / "file").touch()
    assert storage.read(str(tmp_path / "file"), "key") is None


def test_keys_are_listed_below_their_folder(tmp_path: Path) -> None:
    """A prefix is a folder: ``a`` does not list what lies in ``ab``."""
    for key in ("a/2", "a/1", "ab/3"):
        storage.put(str(tmp_path), key, b"")

    assert storage.list_keys(str(tmp_path), "a") == ["a/1", "a/2"]


def test_listing_a_missing_folder_makes_none(tmp_path: Path) -> None:
    """Looking changes nothing."""
    assert storage.list_keys(str(tmp_path / "none")) == []
    assert not (tmp_path / "none").exists()


def test_file_with_odd_name_is_read(tmp_path: Path) -> None:
    """Landed files have whatever names their writers chose."""
    for name in ("a b%20c#?.json", "g[1]{2}*.json", "ü\n.json"):
        path = tmp_path / name
        path.write_bytes(b"content")

        status = storage.status(str(path))
        assert status is not None
        assert status.size == len(b"content")
        assert storage.read_file(str(path)) == b"content"


def test_missing_file_has_no_status(tmp_path: Path) -> None:
    """A file that is gone differs from an empty one."""
    (tmp_path / "empty").touch()

    status = storage.status(str(tmp_path / "empty"))

    assert status is not None
    assert (status.size, status.etag) == (0, None)
    assert storage.status(str(tmp_path / "gone")) is None


def test_modification_time_is_whole_microseconds(tmp_path: Path) -> None:
    """It is compared with the row of a table, which keeps no more and rounds none."""
    path = tmp_path / "a"
    path.touch()
    os.utime(path, ns=(0, 1_767_225_599_999_999_999))

    status = storage.status(str(path))

    assert status is not None
    assert status.modified == datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
