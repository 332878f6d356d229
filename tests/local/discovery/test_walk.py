"""A walk gives every name of a tree, or fails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from sluice.discovery.walk import walk

# More than a page holds.
MANY = 60_000


def all_nested(folder: str, nested: Sequence[str]) -> list[str]:
    """Walk every folder."""
    return [f"{folder}/{name}" for name in nested]


def paths(root: Path) -> list[str]:
    """Return the paths of a walk below ``root``, sorted."""
    return sorted(
        os.path.relpath(f"{folder}/{name}", root)
        for folder, names in walk(str(root), all_nested)
        for name in names
    )


def test_walk_gives_every_name_as_it_is(tmp_path: Path) -> None:
    """A name may hold every byte but NUL and the slash."""
    raw = os.fsdecode(b"raw\xff.json")
    names = ["new\nline", "größe", raw, "a/b/c", "a/b/d", "z/\x01", "_hidden", "e/ "]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder in ("empty", "_skipped", ".skipped", "a/b/none"):
        (tmp_path / folder).mkdir()
    (tmp_path / "_skipped" / "x").touch()

    assert paths(tmp_path) == sorted(names)


def test_walk_leaves_out_what_is_not_entered(tmp_path: Path) -> None:
    """The caller says which folders are walked."""
    for name in ("a/1", "b/2", "b/c/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def only_b(folder: str, nested: Sequence[str]) -> list[str]:
        return [f"{folder}/{name}" for name in nested if name == "b"]

    assert list(walk(str(tmp_path), only_b))[-1] == (f"{tmp_path}/b", ["2"])


def test_folder_with_many_names_is_whole(tmp_path: Path) -> None:
    """It comes in several pages."""
    first = tmp_path / f"{0:040}"
    first.touch()
    for number in range(1, MANY):
        os.link(first, tmp_path / f"{number:040}")

    assert paths(tmp_path) == [f"{number:040}" for number in range(MANY)]


def test_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A folder that is passed over would look like one in which nothing landed."""
    (tmp_path / "file").touch()

    with pytest.raises(NotADirectoryError) as caught:
        list(walk(f"{tmp_path}/file", all_nested))

    assert caught.value.filename == f"{tmp_path}/file"
