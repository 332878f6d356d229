"""Small objects on a disk or a bucket, by one interface: obstore.

Everything that must be written once and only once (schema versions, quarantine events,
leases) goes through ``put_if_absent``, which has one winner on a disk and on S3 alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, ObjectStore, from_url

from sluice.paths import is_local


@lru_cache(maxsize=64)
def open_store(root: str) -> ObjectStore:
    """Open the folder or prefix ``root``, a normalized location; a folder is made."""
    if is_local(root):
        return LocalStore(prefix=Path(root), mkdir=True)
    return from_url(root)


def put_if_absent(root: str, key: str, content: bytes) -> bool:
    """Write ``key`` below ``root`` unless it is there; tell whether this call did."""
    try:
        obstore.put(open_store(root), key, content, mode="create")
    except AlreadyExistsError:
        return False
    return True


def put(root: str, key: str, content: bytes) -> None:
    """Write ``key`` below ``root``, replacing what is there."""
    obstore.put(open_store(root), key, content)


def read(root: str, key: str) -> bytes | None:
    """Return the content of ``key`` below ``root``, or None where it is absent."""
    try:
        return bytes(obstore.get(open_store(root), key).bytes())
    except FileNotFoundError:
        return None


def list_keys(root: str, prefix: str = "") -> list[str]:
    """Return all keys below ``root`` that lie under the folder ``prefix``, sorted."""
    if is_local(root) and not (Path(root) / prefix).is_dir():
        return []
    return sorted(_keys(root, prefix))


def _keys(root: str, prefix: str) -> Iterator[str]:
    for page in obstore.list(open_store(root), prefix or None):
        yield from (str(entry["path"]) for entry in page)


def size(location: str) -> int | None:
    """Return the size of the file at ``location`` in bytes, None where it is absent."""
    try:
        if is_local(location):
            return Path(location).stat().st_size
        root, key = _split(location)
        return int(obstore.head(open_store(root), key)["size"])
    except FileNotFoundError:
        return None


def folder_exists(location: str) -> bool:
    """Tell whether the folder of a file is there; a bucket has no folders to lose."""
    return not is_local(location) or Path(location).parent.is_dir()


def open_input(location: str) -> BinaryIO:
    """Open the file at ``location`` for reading; it can seek."""
    if is_local(location):
        return Path(location).open("rb")
    root, key = _split(location)
    return cast("BinaryIO", obstore.open_reader(open_store(root), key))


def read_file(location: str) -> bytes:
    """Return the whole content of the file at ``location``."""
    with open_input(location) as stream:
        return bytes(stream.read())


def _split(location: str) -> tuple[str, str]:
    scheme, rest = location.split("://", 1)
    bucket, key = rest.split("/", 1)
    return f"{scheme}://{bucket}", key
