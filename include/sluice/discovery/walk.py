"""Walk a folder tree on a disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

PAGE_NAMES = 1 << 14
# Given a folder and the names of those in it, returns the paths that are walked, too.
# A link to itself, through a file, or to a name that is too long.
_DEAD_LINKS = {errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG}
_SWAPPED = {errno.ELOOP, errno.ENOTDIR}
Enter = Callable[[str, Sequence[str]], Iterable[str]]


def walk(
    root: str, enter: Enter, pass_over: Callable[[OSError], bool] = lambda _: False
) -> Iterator[tuple[str, list[str]]]:
    """Yield folders with some names of their files, the last that was entered first.

    ``pass_over`` says of what a folder below ``root`` raises if the others are read on.

    Raises:
        OSError: a folder cannot be read.
    """
    pending = [root]
    while pending:
        folder = pending.pop()
        nested: list[str] = []
        try:
            for names in _read_folder(folder, nested):
                yield folder, names
        except OSError as error:
            # A file or a loop of links is there since its parent was listed.
            is_swapped = error.errno in _SWAPPED
            if folder == root or not (is_swapped or pass_over(error)):
                raise
        pending.extend(enter(folder, nested))


def is_hidden_name(name: str) -> bool:
    """Return True if Spark leaves out files and folders of this name.

    They are markers and files being written; ``_day=1`` is the folder of a partition.
    The rule is that of Spark's ``HadoopFSUtils.shouldFilterOutPathName``.
    """
    if name.startswith("_"):
        return "=" not in name
    return name.startswith(".") or name.endswith("._COPYING_")


def leads_back_to(folder: str) -> str | None:
    """Return the folder that ``folder`` lies in and links to, None where it does not.

    A walk that enters such a link never ends.
    """
    if not os.path.islink(folder):  # noqa: PTH114 - asked for each folder
        return None
    above = os.path.realpath(os.path.dirname(folder))  # noqa: PTH120
    target = os.path.realpath(folder)
    leads_back = f"{above}/".startswith(target.rstrip("/") + "/")
    return target if leads_back else None


def _read_folder(folder: str, nested: list[str]) -> Iterator[list[str]]:
    """Yield the names of files, a page at a time; add those of folders to ``nested``.

    The folder itself says which is which, so only links are looked at. A folder that
    is gone has no files.
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
    return not is_hidden_name(entry.name) and _is(entry.is_dir)


def _is(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except OSError as error:
        if error.errno not in _DEAD_LINKS:
            raise
        return False  # a link that leads nowhere is neither file nor folder
