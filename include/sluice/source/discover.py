"""List what has landed: names, sizes and times, from a folder tree or a bucket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import obstore

from sluice import storage
from sluice.errors import Condition, UsageError
from sluice.model import FileVersion
from sluice.paths import is_local, join

if TYPE_CHECKING:
    from sluice.source.options import CloudFilesOptions

# Spark and Hadoop leave out names that begin so: markers and files being written.
_HIDDEN = ("_", ".")


def list_landed(options: CloudFilesOptions) -> list[FileVersion]:
    """Return every file below ``options.path`` that the options let through.

    Modification times are reported, never used to decide: a file dated in the past or
    the future is listed like any other.

    Raises:
        UsageError: there is no such folder.
    """
    found = _list_folder(options) if is_local(options.path) else _list_bucket(options)
    return [file for file in found if _wanted(file.path, options)]


def _wanted(path: str, options: CloudFilesOptions) -> bool:
    pattern = options.path_glob_filter
    return pattern is None or fnmatchcase(path.rsplit("/", 1)[-1], pattern)


def _list_folder(options: CloudFilesOptions) -> Iterator[FileVersion]:
    root = Path(options.path)
    if root.is_file():
        yield _file(options.path, root.stat())
        return
    if not root.is_dir():
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"landing folder {options.path!r} does not exist; create it, or correct "
            "the path of the source",
            {"path": options.path},
        )
    yield from _scan(options.path, recursive=options.recursive)


def _scan(folder: str, *, recursive: bool) -> Iterator[FileVersion]:
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.name.startswith(_HIDDEN):
                    continue
                if entry.is_dir():
                    pending.extend([entry.path] if recursive else [])
                else:
                    yield _file(entry.path, entry.stat())


def _file(path: str, status: os.stat_result) -> FileVersion:
    # Whole microseconds, as the ledger keeps them; a float would round.
    seconds, nanos = divmod(status.st_mtime_ns, 1_000_000_000)
    modified = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    return FileVersion(path, status.st_size, modified)


def _list_bucket(options: CloudFilesOptions) -> Iterator[FileVersion]:
    for page in obstore.list(storage.open_store(options.path)):
        for entry in page:
            key = str(entry["path"])
            parts = key.split("/")
            if any(part.startswith(_HIDDEN) for part in parts):
                continue
            if len(parts) > 1 and not options.recursive:
                continue
            yield FileVersion(
                join(options.path, key),
                entry["size"],
                entry["last_modified"],
                entry.get("e_tag"),
            )
