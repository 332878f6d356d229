"""List what has landed: names, sizes and times, from a folder tree or a bucket."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import obstore

from sluice import storage
from sluice.errors import Condition, FatalError, UsageError
from sluice.model import FileVersion
from sluice.paths import is_local, join

if TYPE_CHECKING:
    from sluice.source.options import CloudFilesOptions

# Spark and Hadoop leave out names that begin so: markers and files being written.
_HIDDEN = ("_", ".")
_ALTERNATIVES = re.compile(r"\{([^{}]*)\}")


def list_landed(options: CloudFilesOptions) -> list[FileVersion]:
    """Return every file below ``options.path`` that the options let through.

    Modification times are reported, never used to decide: a file dated in the past or
    the future is listed like any other.

    Raises:
        UsageError: there is no such folder.
        FatalError: a file's name is not UTF-8.
    """
    found = _list_folder(options) if is_local(options.path) else _list_bucket(options)
    return [file for file in found if _wanted(file.path, options)]


def _wanted(path: str, options: CloudFilesOptions) -> bool:
    pattern = options.path_glob_filter
    return pattern is None or matches(path.rsplit("/", 1)[-1], pattern)


def matches(name: str, pattern: str) -> bool:
    """Tell whether a file name matches a glob as Hadoop understands it."""
    patterns = _alternatives(pattern.replace("[^", "[!"))
    return any(fnmatchcase(name, each) for each in patterns)


def _alternatives(pattern: str) -> list[str]:
    """Spell out ``{a,b}``, which Hadoop's patterns have and Python's have not."""
    match = _ALTERNATIVES.search(pattern)
    if not match:
        return [pattern]
    before, after = pattern[: match.start()], pattern[match.end() :]
    choices = (f"{before}{choice}{after}" for choice in match[1].split(","))
    return [each for choice in choices for each in _alternatives(choice)]


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
        for entry in _entries(pending.pop()):
            if entry.is_dir():
                pending.extend([entry.path] if recursive else [])
            elif entry.is_file():
                yield from _still_there(entry)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [each for each in entries if not each.name.startswith(_HIDDEN)]
    except FileNotFoundError:
        return []  # removed since its parent was listed


def _still_there(entry: os.DirEntry[str]) -> Iterator[FileVersion]:
    try:
        yield _file(entry.path, entry.stat())
    except FileNotFoundError:
        return  # renamed or removed since the folder was listed


def _file(path: str, status: os.stat_result) -> FileVersion:
    if not path.isprintable():
        _require_utf8(path)
    # Whole microseconds, as the ledger keeps them; a float would round.
    seconds, nanos = divmod(status.st_mtime_ns, 1_000_000_000)
    modified = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    return FileVersion(path, status.st_size, modified)


def _require_utf8(path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise FatalError(
            Condition.BAD_FILE,
            f"landed file {path!r} has a name that is not UTF-8, which no table can "
            "hold; rename it",
            {"path": path.encode(errors="backslashreplace").decode()},
        ) from None


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
