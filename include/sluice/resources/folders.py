"""Folders on a disk and prefixes in a bucket: measure them, list them, remove them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import obstore

from sluice import storage
from sluice.paths import is_local, join


@dataclass(frozen=True)
class Measure:
    """How many files or objects there are, and how many bytes in all."""

    files: int
    bytes: int


def measure(location: str) -> Measure | None:
    """Return what lies in the folder or below the prefix, None where nothing does."""
    if is_local(location):
        sizes = list(_sizes_on_disk(location)) if Path(location).exists() else None
    else:
        pages = obstore.list(storage.open_store(location))
        sizes = [int(entry["size"]) for page in pages for entry in page] or None
    return None if sizes is None else Measure(len(sizes), sum(sizes))


def list_files(location: str) -> Iterator[tuple[str, datetime]]:
    """Yield the path below ``location`` of each file there, and when it was written.

    Links are files, also those to folders: what they lead to lies elsewhere.
    """
    if not is_local(location):
        for page in obstore.list(storage.open_store(location)):
            for each in page:
                key, empty = str(each["path"]), not each["size"]
                if not (empty and _stands_for_folder(location, key)):
                    yield key, each["last_modified"]
        return
    for folder, folders, names in os.walk(location):
        links = [each for each in folders if Path(folder, each).is_symlink()]
        for path in (Path(folder, name) for name in [*names, *links]):
            with suppress(FileNotFoundError):
                written = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
                yield str(path.relative_to(location)), written


def _stands_for_folder(location: str, key: str) -> bool:
    """Return True if an empty object is none of a writer's files: Hadoop's marker."""
    return not key or storage.is_folder_marker(join(location, key))


def siblings(location: str, beginning: str) -> list[str]:
    """Return what lies beside ``location`` under its name and then ``beginning``."""
    parent, _, name = location.rpartition("/")
    found = storage.list_names(parent)
    return [join(parent, each) for each in found if each.startswith(name + beginning)]


def remove(location: str) -> None:
    """Remove the folder or prefix with all in it; what is not there is removed."""
    if is_local(location):
        with suppress(FileNotFoundError):
            shutil.rmtree(location)
        return
    store = storage.open_store(location)
    for page in obstore.list(store):
        obstore.delete(store, [str(entry["path"]) for entry in page])


def remove_empty(location: str, *, up_to: str) -> None:
    """Remove the folder if it is empty, and those above it, but not ``up_to``."""
    if not is_local(location):
        return
    folder, last = Path(location), Path(up_to)
    while last in folder.parents:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return  # something else is kept there
        folder = folder.parent


def _sizes_on_disk(location: str) -> Iterator[int]:
    if Path(location).is_file():
        yield Path(location).stat().st_size
        return
    for folder, _, names in os.walk(location):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(folder, name).stat().st_size


def overlaps(location: str, others: Iterable[str]) -> list[str]:
    """Return which of ``others`` are ``location`` itself, or lie within it."""
    return [each for each in others if join(each, "").startswith(join(location, ""))]
