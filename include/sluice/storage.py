"""Small objects on a disk or a bucket, by one interface: obstore.

Everything that must be written once and only once (schema versions, quarantine events,
leases) goes through ``put_if_absent``, which has one winner on a disk and on S3 alike.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from sluice.paths import is_local

# What one request for a part of a large file in a bucket brings.
_READ_AHEAD = 8 << 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class FileStatus:
    """What storage says of a file without reading it; the time is UTC-aware.

    A disk keeps no ``etag``, and a bucket's times are whole seconds.
    """

    size: int
    modified: datetime
    etag: str | None = None


@lru_cache(maxsize=64)
def open_store(root: str) -> ObjectStore:
    """Open the folder or prefix ``root``, a normalized location; a folder is made."""
    if is_local(root):
        return LocalStore(prefix=Path(root), mkdir=True)
    return from_url(root)


def put_if_absent(root: str, key: str, content: bytes) -> bool:
    """Write ``key`` below ``root`` unless it is there; return True if this call did."""
    try:
        obstore.put(open_store(root), key, content, mode="create")
    except AlreadyExistsError:
        return False
    return True


def put(root: str, key: str, content: bytes | IO[bytes]) -> None:
    """Write ``key`` below ``root``, replacing what is there."""
    obstore.put(open_store(root), key, content)


def read(root: str, key: str) -> bytes | None:
    """Return the content of ``key`` below ``root``, or None where it is absent."""
    found = read_dated(root, key)
    return found[0] if found else None


def read_dated(root: str, key: str) -> tuple[bytes, datetime] | None:
    """Return the content of ``key`` and when it was written, in UTC; None if absent."""
    try:
        if is_local(root):
            return _read_from_disk(Path(root, key))
        result = obstore.get(open_store(root), key)
        return bytes(result.bytes()), result.meta["last_modified"]
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _read_from_disk(path: Path) -> tuple[bytes, datetime]:
    # Logs are hundreds of small files, of which obstore takes four times as long.
    with path.open("rb") as file:
        return file.read(), modified_at(os.fstat(file.fileno()).st_mtime_ns)


def delete(root: str, key: str) -> None:
    """Remove ``key`` below ``root``; one that is not there is removed already."""
    with suppress(FileNotFoundError):
        obstore.delete(open_store(root), key)


def move(source: str, target: str) -> None:
    """Move the folder or prefix ``source`` with all that is in it, if it is there.

    One step on a disk. In a bucket the objects go one by one: called again after a
    crash, it moves those that are left. Hadoop's empty markers of folders stay.
    """
    if is_local(source):
        with suppress(FileNotFoundError):
            Path(source).rename(target)
        return
    (root, prefix), (_, target_prefix) = _split(source), _split(target)
    for key in list_keys(root, prefix):
        if status(f"{root}/{key}") is None:
            continue  # a marker, or moved by another
        renamed = target_prefix + key.removeprefix(prefix)
        obstore.rename(open_store(root), key, renamed)


def list_keys(root: str, prefix: str = "") -> list[str]:
    """Return all keys below ``root`` that lie under the folder ``prefix``, sorted."""
    return sorted(_keys(root, prefix))


def list_names(location: str) -> list[str]:
    """Return the names of the files and folders right below ``location``, sorted."""
    if is_local(location):
        # The log of a table has thousands, of which no path object is made.
        names = os.listdir(location) if Path(location).is_dir() else []  # noqa: PTH208
        return sorted(names)
    listing = obstore.list_with_delimiter(open_store(location))
    paths = [
        *listing["common_prefixes"],
        *(each["path"] for each in listing["objects"]),
    ]
    return sorted(str(each).rstrip("/").rpartition("/")[2] for each in paths)


def has_keys(root: str, prefix: str) -> bool:
    """Return True if any key of ``root`` lies under the folder ``prefix``."""
    return next(_keys(root, prefix), None) is not None


def _keys(root: str, prefix: str) -> Iterator[str]:
    if is_local(root) and not (Path(root) / prefix).is_dir():
        return
    for page in obstore.list(open_store(root), prefix or None):
        yield from (str(entry["path"]) for entry in page)


def status(location: str) -> FileStatus | None:
    """Return what storage says of the file at ``location``, None where it is absent."""
    try:
        if is_local(location):
            # A path object for each of many files costs more than the call.
            found = os.stat(location)  # noqa: PTH116
            return FileStatus(found.st_size, modified_at(found.st_mtime_ns))
        root, key = _split(location)
        head = obstore.head(open_store(root), key)
        return FileStatus(head["size"], head["last_modified"], head["e_tag"])
    except FileNotFoundError:
        return None


def modified_at(nanoseconds: int) -> datetime:
    """Return a modification time in whole microseconds, as tables keep them."""
    # Not by a float, which would round.
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def folder_exists(location: str) -> bool:
    """Return True if the folder of a file is there; a bucket has no folders to lose."""
    return not is_local(location) or Path(location).parent.is_dir()


def is_folder_marker(location: str) -> bool:
    """Return True if an empty object listed as ``location`` stands for a folder.

    Consoles and Hadoop make objects whose names end with a slash, and a listing shows
    them without it: there is no file of that name then.
    """
    return not is_local(location) and status(location) is None


def open_input(location: str, *, within: Sequence[str] = ()) -> BinaryIO:
    """Open the file at ``location`` for reading; it can seek.

    With ``within``, folders of a disk, what is opened must lie in one of them, links
    resolved; they may be links themselves.

    Raises:
        OSError: it cannot be opened; without a number where it is no regular file, or
            lies elsewhere.
    """
    if is_local(location):
        number, _ = _open_regular(location, real_folders(within))
        return os.fdopen(number, "rb")
    root, key = _split(location)
    reader = obstore.open_reader(open_store(root), key, buffer_size=_READ_AHEAD)
    return cast("BinaryIO", io.BufferedReader(_BucketInput(reader)))


def real_folders(folders: Iterable[str]) -> tuple[str, ...]:
    """Return where folders of a disk are, links resolved."""
    return tuple(map(os.path.realpath, folders))


def read_start(
    location: str, most: int, *, within: Sequence[str] = ()
) -> tuple[bytes, FileStatus]:
    """Return the first bytes of a file of a disk, and what it was when it was opened.

    It must lie ``within`` these ``real_folders``, unless there are none.

    Raises:
        OSError: it cannot be opened; without a number where it is no regular file, or
            lies elsewhere.
    """
    number, found = _open_regular(location, within)
    try:
        content = os.read(number, most)
    finally:
        os.close(number)
    return content, FileStatus(found.st_size, modified_at(found.st_mtime_ns))


def _open_regular(location: str, within: Sequence[str]) -> tuple[int, os.stat_result]:
    # A file may be swapped for a pipe, at which opening it waits for a writer.
    number = os.open(location, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(number)
    message = ""
    if not stat.S_ISREG(found.st_mode):
        message = "it is no regular file"
    elif within and not _lies_in(_opened_path(number, location), within):
        message = "a link leads from it out of the landing folder"
    if message:
        os.close(number)
        raise OSError(message)
    return number, found


def _opened_path(number: int, location: str) -> str:
    """Return where an opened file lies: its path may lead elsewhere meanwhile."""
    try:
        return os.readlink(f"/proc/self/fd/{number}")  # noqa: PTH115 - for many files
    except OSError:
        return os.path.realpath(location)


def _lies_in(path: str, folders: Sequence[str]) -> bool:
    return any(
        path == each or path.startswith(each.rstrip("/") + "/") for each in folders
    )


class _BucketInput(io.RawIOBase):
    """A file in a bucket as Python knows files; obstore's own is none of them."""

    def __init__(self, reader: obstore.ReadableFile) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: Any) -> int:
        content = self._reader.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def read_file(location: str) -> bytes:
    """Return the whole content of the file at ``location``."""
    with open_input(location) as stream:
        return bytes(stream.read())


def _split(location: str) -> tuple[str, str]:
    scheme, rest = location.split("://", 1)
    bucket, key = rest.split("/", 1)
    return f"{scheme}://{bucket}", key
