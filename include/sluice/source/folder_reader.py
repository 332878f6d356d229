"""Read folders: in the caller's process, or in one of their own that is asked for them.

Run as a program this module loads nothing else of Sluice, and so is ready in 0.1 s.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection

# Spark and Hadoop leave out names that begin so: markers and files being written.
HIDDEN = ("_", ".")
PAGE_NAMES = 1 << 14
# Some names joined by NUL; those of the folders at a folder's end; or why it failed.
Answer = bytes | list[str] | OSError


def read_folder(folder: str, nested: list[str]) -> Iterator[list[str]]:
    """Yield the names of files, a page at a time; add those of folders to ``nested``.

    The folder itself tells which is which, so nothing but links is looked at.

    Raises:
        OSError: the folder cannot be read; one that is gone has no files.
    """
    try:
        with os.scandir(folder) as entries:
            while page := list(islice(entries, PAGE_NAMES)):
                names = _files_of(page)
                if len(names) < len(page):
                    nested.extend(entry.name for entry in page if _is_folder(entry))
                yield names
    except FileNotFoundError:
        return  # removed since its parent was listed


def _files_of(page: list[os.DirEntry[str]]) -> list[str]:
    try:
        return [entry.name for entry in page if entry.is_file()]
    except OSError:
        return [entry.name for entry in page if _is(entry.is_file)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(HIDDEN) and _is(entry.is_dir)


def _is(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False  # links that lead to each other are neither file nor folder


def main() -> None:
    """Answer what is asked on the connection given, until whoever asks has gone."""
    # A signal to the whole group is for the other side, which may end a batch first.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    with suppress(EOFError, ConnectionError):
        while True:
            for answer in _answers(connection.recv()):
                connection.send(answer)


def _answers(folder: str) -> Iterator[Answer]:
    nested: list[str] = []
    try:
        for names in read_folder(folder, nested):
            if names:
                yield os.fsencode("\0".join(names))
    except OSError as error:
        yield error
    else:
        yield nested


if __name__ == "__main__":
    main()
