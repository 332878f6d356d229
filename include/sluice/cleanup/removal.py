"""Take a landed file away so that a kill at any moment leaves it in one known place.

On a disk the file is first renamed to a hidden name beside it and compared with the
ledger there, where no other can replace it: a version that came just before goes back
to its name. A bucket has no rename; there the object is compared just
before it is removed.
"""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore, from_url

from sluice import storage
from sluice.ledger.verify import what_changed
from sluice.model import LedgerFile
from sluice.paths import is_local

# What link(2) fails with where the other side is another file system, or has no links.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


class Removal(Protocol):
    """The steps by which a file goes; each may be repeated after a kill."""

    def is_taken(self, file: LedgerFile) -> bool:
        """Return True if a kill left ``file`` between the steps."""

    def take(self, file: LedgerFile) -> bool:
        """Make sure of the very version of ``file``; False where it is not there."""

    def keep(self, file: LedgerFile, destination: str) -> str:
        """Put what was taken at ``destination`` or near it, and return where.

        What is there already is never overwritten.
        """

    def give_back(self, file: LedgerFile) -> None:
        """Put what was taken where it was.

        Raises:
            FileExistsError: another file has come under that name since.
        """

    def finish(self, file: LedgerFile) -> None:
        """Remove what was taken from the landing folder for good."""


def removal_for(path: str, ledger_id: str) -> Removal:
    """Return the steps for the storage of ``path``."""
    return _DiskRemoval(ledger_id) if is_local(path) else _BucketRemoval(ledger_id)


def linked_part(path: str, root: str) -> str | None:
    """Return the first link on the way from ``root`` to ``path``, None without one.

    ``root`` itself may be one: its pipeline names it. A bucket has no links.
    """
    if not is_local(path):
        return None
    way = [Path(path), *Path(path).parents]
    below = way[: way.index(Path(root))] if Path(root) in way else way[:1]
    return next((str(part) for part in reversed(below) if part.is_symlink()), None)


class _DiskRemoval:
    def __init__(self, ledger_id: str) -> None:
        self._mark = ledger_id[:8]

    def is_taken(self, file: LedgerFile) -> bool:
        return self._held(file).exists()

    def take(self, file: LedgerFile) -> bool:
        held = self._held(file)
        try:
            if not held.exists():
                Path(file.path).rename(held)
        except FileNotFoundError:
            return False
        found = storage.status(str(held))
        if found is not None and what_changed(file, found) is None:
            return True
        self.give_back(file)
        return False

    def keep(self, file: LedgerFile, destination: str) -> str:
        held = self._held(file)
        Path(destination).parent.mkdir(parents=True, exist_ok=True)
        for place in (Path(destination), self._second_choice(file, destination)):
            if _link_or_copy(held, place):
                return str(place)
        message = f"{destination!r} is taken by another file, and so is its second name"
        raise FileExistsError(message)

    def give_back(self, file: LedgerFile) -> None:
        held = self._held(file)
        try:
            Path(file.path).hardlink_to(held)
        except FileExistsError:
            message = (
                f"two newer files came under the name {file.path!r} while it was "
                f"cleaned; the first of them is kept as {str(held)!r}"
            )
            raise FileExistsError(message) from None
        held.unlink()

    def finish(self, file: LedgerFile) -> None:
        self._held(file).unlink(missing_ok=True)

    def _held(self, file: LedgerFile) -> Path:
        return Path(file.path).parent / f".sluice-{self._mark}-{file.seq}"

    def _second_choice(self, file: LedgerFile, destination: str) -> Path:
        return Path(_second_name(destination, self._mark, file.seq))


class _BucketRemoval:
    def __init__(self, ledger_id: str) -> None:
        self._mark = ledger_id[:8]

    def is_taken(self, _file: LedgerFile) -> bool:
        return False  # until it is removed it lies where it landed

    def take(self, file: LedgerFile) -> bool:
        found = storage.status(file.path)
        return found is not None and what_changed(file, found) is None

    def keep(self, file: LedgerFile, destination: str) -> str:
        for place in (destination, _second_name(destination, self._mark, file.seq)):
            if self._copy(file, place):
                return place
        message = f"{destination!r} is taken by another object, as is its second name"
        raise FileExistsError(message)

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


def _link_or_copy(source: Path, place: Path) -> bool:
    """Put ``source`` at ``place``; False where that holds other content."""
    try:
        place.hardlink_to(source)
    except FileExistsError:
        return place.samefile(source) or filecmp.cmp(source, place, shallow=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return _copy(source, place)
    return True


def _copy(source: Path, place: Path) -> bool:
    """Copy to a hidden name, compare, and only then give it the name."""
    draft = place.with_name(f"{source.name}.part")
    shutil.copy2(source, draft)
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    if not filecmp.cmp(source, draft, shallow=False):
        message = f"the copy of {str(source)!r} to {str(place)!r} is not like it"
        raise OSError(message)
    try:
        place.hardlink_to(draft)
    except FileExistsError:
        return filecmp.cmp(draft, place, shallow=False)
    finally:
        draft.unlink()
    return True


def _second_name(destination: str, mark: str, seq: int) -> str:
    folder, _, name = destination.rpartition("/")
    stem, dot, ending = name.partition(".")
    return f"{folder}/{stem}.{mark}-{seq}{dot}{ending}"


def _split(location: str) -> tuple[str, str]:
    """Return the bucket of an object, and its key there."""
    scheme, rest = location.split("://", 1)
    bucket, key = rest.split("/", 1)
    return f"{scheme}://{bucket}", key
