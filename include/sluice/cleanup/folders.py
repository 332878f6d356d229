"""Folders held open: what is put in their place meanwhile is not followed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISLNK

# Where the platform has it, a handle that needs no right to list the folder.
_FLAGS = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


class LinkedError(OSError):
    """A link stands where a folder or a file is to be."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path!r} is a link: what it leads to stays")


@contextmanager
def opened(root: str, below: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Yield a handle of the folder ``below`` its ``root``, with no link on the way.

    ``root`` itself may be one: its pipeline names it. What is done by the handle is
    done there, whatever has that path by then. ``make`` makes what is missing.

    Raises:
        LinkedError: a part of the way is a link.
        OSError: it is no folder, is missing, or cannot be entered.
    """
    if make:
        Path(root).mkdir(parents=True, exist_ok=True)
    handle = os.open(root, _FLAGS)
    try:
        for number, name in enumerate(below):
            inner = _enter(handle, name, make=make)
            if inner is None:
                raise LinkedError("/".join((root, *below[: number + 1])))
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def is_link(handle: int, name: str) -> bool:
    """Return True if ``name`` in a folder is a link, False also where it is missing."""
    try:
        found = os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return S_ISLNK(found.st_mode)


def _enter(handle: int, name: str, *, make: bool) -> int | None:
    """Return the handle of a folder in a folder, None where that is a link."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=handle)
    try:
        return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=handle)
    except OSError:
        if is_link(handle, name):
            return None
        raise
