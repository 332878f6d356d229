"""Take a landed file away so that a kill at any moment leaves it in one known place.

On a disk the file is first renamed to a hidden name beside it and compared with the
ledger there, where no other can replace it: a version that came just before goes back
to its name. Its folder is held open meanwhile, and links are not followed. A bucket has
no rename; there the object is compared just before it is removed.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress
from functools import lru_cache
from stat import S_ISDIR, S_ISREG
from typing import Protocol

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore, from_url

from sluice import storage
from sluice.cleanup.copies import link_or_copy
from sluice.cleanup.folders import LinkedError, is_link, opened
from sluice.ledger.verify import what_changed
from sluice.model import LedgerFile
from sluice.paths import is_local, join
from sluice.storage import FileStatus, modified_at


class UnsafeNameError(OSError):
    """A name that would lead out of the archive."""


class Removal(Protocol):
    """The steps by which a file goes; each may be repeated after a kill."""

    def is_taken(self, file: LedgerFile) -> bool:
        """Return True if a kill left ``file`` between the steps."""

    def take(self, file: LedgerFile) -> bool:
        """Make sure of the very version of ``file``; False where it is not there.

        Raises:
            LinkedError: the file, or a folder on the way to it, is a link.
        """

    def keep(self, file: LedgerFile, archive: str) -> str:
        """Put what was taken below ``archive`` as it was below its root; return where.

        What is there already is never overwritten, and no link there is followed.
        """

    def give_back(self, file: LedgerFile) -> None:
        """Put what was taken where it was.

        Raises:
            FileExistsError: another file has come under that name since.
        """

    def finish(self, file: LedgerFile) -> None:
        """Remove what was taken from the landing folder for good."""


def removal_for(root: str, ledger_id: str) -> Removal:
    """Return the steps for files below ``root``, which a pipeline names."""
    mark = ledger_id[:8]
    return _DiskRemoval(root, mark) if is_local(root) else _BucketRemoval(root, mark)


class _DiskRemoval:
    """Every step holds the folder open, so that what is put in its place is safe."""

    def __init__(self, root: str, mark: str) -> None:
        self._root = root
        self._mark = mark

    def is_taken(self, file: LedgerFile) -> bool:
        try:
            with self._folder(file) as folder:
                return _exists(folder, self._held(file))
        except (FileNotFoundError, NotADirectoryError, LinkedError):
            return False

    def take(self, file: LedgerFile) -> bool:
        try:
            with self._folder(file) as folder:
                return self._take(file, folder)
        except FileNotFoundError:
            return False

    def _take(self, file: LedgerFile, folder: int) -> bool:
        held, name = self._held(file), _name(file.path)
        if not _exists(folder, held):
            if is_link(folder, name):
                raise LinkedError(file.path)
            if not _is_file(folder, name):
                return False
            os.rename(name, held, src_dir_fd=folder, dst_dir_fd=folder)
        found = os.stat(held, dir_fd=folder, follow_symlinks=False)
        if S_ISDIR(found.st_mode):
            # It came in this moment, and can have no second name.
            os.rename(held, name, src_dir_fd=folder, dst_dir_fd=folder)
            return False
        status = FileStatus(found.st_size, modified_at(found.st_mtime_ns))
        if S_ISREG(found.st_mode) and what_changed(file, status) is None:
            return True
        self._give_back(file, folder)
        return False

    def keep(self, file: LedgerFile, archive: str) -> str:
        below, mark = _below(file.path, self._root), self._mark
        *folders, name = below
        with (
            self._folder(file) as source,
            opened(archive, folders, make=True) as folder,
        ):
            for choice in (name, _second_name(name, mark, file.seq)):
                if link_or_copy(source, self._held(file), folder, choice):
                    return join(archive, *folders, choice)
        raise _both_taken(join(archive, *below), "file")

    def give_back(self, file: LedgerFile) -> None:
        with self._folder(file) as folder:
            self._give_back(file, folder)

    def _give_back(self, file: LedgerFile, folder: int) -> None:
        held = self._held(file)
        try:
            os.link(
                held,
                _name(file.path),
                src_dir_fd=folder,
                dst_dir_fd=folder,
                follow_symlinks=False,
            )
        except FileExistsError:
            kept = f"{file.path.rpartition('/')[0]}/{held}"
            message = (
                f"two newer files came under the name {file.path!r} while it was "
                f"cleaned; the first of them is kept as {kept!r}"
            )
            raise FileExistsError(message) from None
        os.unlink(held, dir_fd=folder)

    def finish(self, file: LedgerFile) -> None:
        with suppress(FileNotFoundError), self._folder(file) as folder:
            os.unlink(self._held(file), dir_fd=folder)

    def _folder(self, file: LedgerFile) -> AbstractContextManager[int]:
        """Hold the folder of ``file`` open; a root may also be the file itself."""
        if file.path == self._root:
            return opened(file.path.rpartition("/")[0] or "/", ())
        return opened(self._root, _below(file.path, self._root)[:-1])

    def _held(self, file: LedgerFile) -> str:
        return f".sluice-{self._mark}-{file.seq}"


class _BucketRemoval:
    def __init__(self, root: str, mark: str) -> None:
        self._root = root
        self._mark = mark

    def is_taken(self, _file: LedgerFile) -> bool:
        return False  # until it is removed it lies where it landed

    def take(self, file: LedgerFile) -> bool:
        found = storage.status(file.path)
        return found is not None and what_changed(file, found) is None

    def keep(self, file: LedgerFile, archive: str) -> str:
        *folders, name = _below(file.path, self._root)
        for choice in (name, _second_name(name, self._mark, file.seq)):
            place = join(archive, *folders, choice)
            if self._copy(file, place):
                return place
        raise _both_taken(join(archive, *folders, name), "object")

    def give_back(self, file: LedgerFile) -> None:
        """Nothing was taken away."""

    def finish(self, file: LedgerFile) -> None:
        if self.take(file):
            storage.delete(*_split(file.path))

    def _copy(self, file: LedgerFile, place: str) -> bool:
        """Copy to ``place`` unless it is taken; False where it holds other content."""
        bucket, key = _split(file.path)
        try:
            obstore.copy(_copier(bucket), key, _split(place)[1], overwrite=False)
        except AlreadyExistsError:
            return _same_object(file, place)
        there = storage.status(place)
        if there is None or there.size != file.size or not self.take(file):
            message = f"{file.path!r} changed while it was copied to {place!r}"
            raise OSError(message)
        return True


@lru_cache(maxsize=8)
def _copier(bucket: str) -> ObjectStore:
    """Open a bucket so that a copy can refuse to overwrite."""
    if bucket.startswith("s3://"):
        return from_url(bucket, copy_if_not_exists="multipart")
    return storage.open_store(bucket)


def _same_object(file: LedgerFile, place: str) -> bool:
    """Compare content: a copy has a time of its own, and perhaps another etag."""
    there = storage.status(place)
    if there is None or there.size != file.size:
        return False
    return storage.read_file(place) == storage.read_file(file.path)


def _below(path: str, root: str) -> list[str]:
    """Return the names that lead from ``root`` to ``path``, one at least.

    Raises:
        UnsafeNameError: they lead out of a folder that they are joined to.
    """
    names = path.removeprefix(root).strip("/").split("/") if path != root else []
    names = names or [_name(path)]
    if {"", ".", ".."}.intersection(names):
        message = f"{path!r} has a name that means another folder below {root!r}"
        raise UnsafeNameError(message)
    return names


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _is_file(folder: int, name: str) -> bool:
    return S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _both_taken(place: str, kind: str) -> FileExistsError:
    return FileExistsError(
        f"{place!r} is taken by another {kind}, and so is its second name"
    )


def _second_name(name: str, mark: str, seq: int) -> str:
    stem, dot, ending = name.partition(".")
    return f"{stem}.{mark}-{seq}{dot}{ending}"


def _split(location: str) -> tuple[str, str]:
    """Return the bucket of an object, and its key there."""
    scheme, rest = location.split("://", 1)
    bucket, key = rest.split("/", 1)
    return f"{scheme}://{bucket}", key
