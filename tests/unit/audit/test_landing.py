"""The landing folder's own account of files and records."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

from sluice.audit.landing import read_landing
from sluice.options.options import CloudFilesOptions


def options(folder: Path, **values: object) -> CloudFilesOptions:
    """Return the options of a source over ``folder``."""
    return CloudFilesOptions(path=str(folder), schema_location="/s", **values)  # type: ignore[arg-type]


def test_file_that_cannot_be_read_is_reported_not_raised(tmp_path: Path) -> None:
    """One broken file must not hide what is wrong with the others."""
    whole = gzip.compress(os.urandom(9000))
    (tmp_path / "a.json.gz").write_bytes(whole[:5000])
    found = read_landing(options(tmp_path))
    assert found is not None
    (file,) = found.values()
    assert file.records is None
    assert file.error


def test_listing_leaves_out_what_the_source_leaves_out(tmp_path: Path) -> None:
    """Hidden names and names that the pattern does not let through never land."""
    hidden = ("_a.json", ".a.json", "_x/c.json", "d._COPYING_/e.json")
    for name in ("a.json", *hidden, "a.csv", "_k=1/b.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}\n")
    found = read_landing(options(tmp_path, path_glob_filter="*.json"))
    assert found is not None
    assert sorted(found) == [str(tmp_path / "_k=1/b.json"), str(tmp_path / "a.json")]
    flat = read_landing(options(tmp_path, recursive=False))
    assert flat is not None
    assert sorted(flat) == [str(tmp_path / "a.csv"), str(tmp_path / "a.json")]


def test_old_modification_time_does_not_hide_the_arrival(tmp_path: Path) -> None:
    """A file that is copied in with its times did not land years ago."""
    path = tmp_path / "a.json"
    path.write_text("{}\n")
    os.utime(path, (0, 0))
    found = read_landing(options(tmp_path))
    assert found is not None
    age = datetime.now(UTC) - found[str(path)].arrived
    assert abs(age.total_seconds()) < 60


def test_link_to_nothing_is_passed_over(tmp_path: Path) -> None:
    """A file may also go between its listing and its counting."""
    (tmp_path / "a.json").symlink_to(tmp_path / "none")
    assert read_landing(options(tmp_path)) == {}


def test_missing_folder_is_none(tmp_path: Path) -> None:
    """An empty folder and no folder are two different things."""
    assert read_landing(options(tmp_path / "none")) is None
    assert read_landing(options(tmp_path)) == {}


def test_link_to_a_folder_above_is_not_followed(tmp_path: Path) -> None:
    """The source passes such a link over, and following it would never end."""
    (tmp_path / "a.json").write_text("{}\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.json").symlink_to(tmp_path / "nothing")
    (tmp_path / "self.json").symlink_to(tmp_path / "self.json")
    assert list(read_landing(options(tmp_path)) or {}) == [str(tmp_path / "a.json")]


def test_pipe_is_no_landed_file(tmp_path: Path) -> None:
    """The source skips it: opening it would wait for a writer without end."""
    (tmp_path / "a.json").write_text("{}\n")
    os.mkfifo(tmp_path / "b.json")
    assert list(read_landing(options(tmp_path)) or {}) == [str(tmp_path / "a.json")]
