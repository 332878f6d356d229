"""List what has landed in a folder tree or a bucket: names first, the rest on demand.

A listing costs a name per file. Size and modification time cost a system call more on a
disk, which is why only files that turn out to be new are looked at.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pyarrow as pa
from obstore.exceptions import InvalidPathError

from sluice import storage
from sluice.discovery.edge import is_inside
from sluice.discovery.walk import is_hidden_name, leads_back_to, walk
from sluice.errors import Condition, FatalError, UsageError
from sluice.model import FileVersion
from sluice.options.globs import (
    Selection,
    is_glob,
    name_filter,
    select_folder,
    select_glob,
)
from sluice.paths import is_local, is_utf8, join

if TYPE_CHECKING:
    from sluice.options.options import CloudFilesOptions

_LOG = logging.getLogger("sluice")
_BUCKET_PAGE = 10_000
_HIDING = re.compile(r"/[_.]|\._COPYING_")


@dataclass(frozen=True)
class Page:
    """Some files of one listing: ``folder`` and each of the ``names`` give a path.

    Hidden files of a folder are among them: few are new, and only new ones are asked
    whether they are wanted.

    ``look`` returns what the storage says of the name at a position, None where that
    file is gone.
    """

    folder: str
    names: Sequence[str]
    look: Callable[[int], FileVersion | None]

    def path(self, position: int) -> str:
        """Return the path of the name at ``position``."""
        return self.folder + self.names[position]


def selection_of(options: CloudFilesOptions) -> Selection:
    """Return what the load path names; a folder that exists means itself."""
    path = options.path
    if not is_glob(path) or (is_local(path) and Path(path).exists()):
        return select_folder(path, recursive=options.recursive)
    return select_glob(path, recursive=options.recursive, strict=options.strict_globber)


def wanted_names(options: CloudFilesOptions) -> Callable[[str], bool]:
    """Return a function that says if the options let a listed path through."""
    selection = selection_of(options)
    pattern = options.path_glob_filter
    matches_name = name_filter(pattern) if pattern is not None else None

    def is_wanted(path: str) -> bool:
        name = path.rpartition("/")[2]
        if is_hidden_name(name) and path not in selection.roots:
            return False
        if matches_name is not None and not matches_name(name):
            return False
        return selection.takes(path)

    return is_wanted


def list_landed(options: CloudFilesOptions) -> list[FileVersion]:
    """Return every file that the load path and ``pathGlobFilter`` let through.

    Modification times are reported, never used to decide: a file dated in the past or
    the future is listed like any other.

    Raises:
        UsageError: there is no such folder.
        FatalError: a file's name is not UTF-8, or none that object storage can hold.
    """
    wanted = wanted_names(options)
    found = (
        page.look(position)
        for page in list_pages(options)
        for position in range(len(page.names))
        if wanted(page.path(position))
    )
    return [file for file in found if file]


def list_pages(
    options: CloudFilesOptions,
    *,
    after: Mapping[str, str] | None = None,
) -> Iterator[Page]:
    """Yield the files below the load path, or those ``after`` a path in each root.

    Paths are ordered by their characters, as object storage lists them. Folders whose
    files all come before are not opened, and a bucket is asked only for later keys.

    Names that are not UTF-8 are passed over where bad files are, with a warning.

    Raises:
        UsageError: there is no such folder, or one in it may not be read.
    """
    try:
        selection = selection_of(options)
        _require_root(options, selection)
        for root in selection.roots:
            start = (after or {}).get(root, "")
            if is_local(root):
                yield from _list_disk(root, selection, start, options)
            else:
                yield from _list_bucket(root, start)
    except PermissionError as error:
        raise _refused_error(error) from error


def look_at(path: str) -> FileVersion | None:
    """Return what the disk says of the file at ``path``, None where it is gone.

    Raises:
        FatalError: its name is not UTF-8.
        UsageError: its folder may not be entered.
    """
    try:
        return _file(path, os.stat(path))  # noqa: PTH116 - called for many files
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise _refused_error(error) from error


def is_hidden(path: str) -> bool:
    """Return True if a path below a root has a part that is never listed."""
    # Nearly no path is, and this is asked of many.
    if not path.startswith(("_", ".")) and not _HIDING.search(path):
        return False
    return any(map(is_hidden_name, path.split("/")))


def _require_root(options: CloudFilesOptions, selection: Selection) -> None:
    if any(not is_local(root) or Path(root).exists() for root in selection.roots):
        return
    raise UsageError(
        Condition.PATH_NOT_FOUND,
        f"landing folder {options.path!r} does not exist; create it, or correct "
        "the path of the source",
        {"path": options.path},
    )


def _refused_error(error: PermissionError) -> UsageError:
    return UsageError(
        Condition.STORAGE_REFUSED,
        f"landing folder: {error.filename!r} cannot be read: {error.strerror}; let the "
        "user that runs Sluice read and enter every folder in it",
        {"path": error.filename},
    )


def _list_disk(
    root: str, selection: Selection, after: str, options: CloudFilesOptions
) -> Iterator[Page]:
    """Yield the pages of a folder, without what leads out of it, or may not be read."""
    inside = is_inside(root, follows=options.follow_links)

    def enter(path: str) -> bool:
        return selection.enters(path) and inside(path) and not _leads_back(path)

    if options.ignores_corrupt:
        pages = _list_tree(root, enter, after, _is_left_out)
        pages = map(_readable_page, map(_utf8_page, pages))
    else:
        pages = _list_tree(root, enter, after)
    for page in pages:
        yield Page(page.folder, page.names, _looking_inside(page, inside))


def _looking_inside(
    page: Page, inside: Callable[[str], bool]
) -> Callable[[int], FileVersion | None]:
    return lambda at: page.look(at) if inside(page.path(at)) else None


def _is_left_out(error: OSError) -> bool:
    """Return True, with a warning, of a folder without rights or too deep to open."""
    if error.errno not in {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}:
        return False
    _LOG.warning("landing folder: what is in %r was passed over: %s", *_named(error))
    return True


def _named(error: OSError) -> tuple[str, str]:
    return str(error.filename), str(error.strerror)


def _readable_page(page: Page) -> Page:
    """Return a page that passes over what its user may not read, until it may."""

    def look(position: int) -> FileVersion | None:
        path = page.path(position)
        try:
            found = page.look(position)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            _LOG.warning("landing folder: %r was passed over: %s", *_named(error))
            return None
        # Asked for new files only, as a look is.
        if found is None or os.access(path, os.R_OK, effective_ids=True):
            return found
        _LOG.warning("landing folder: %r was passed over: no right to read it", path)
        return None

    return Page(page.folder, page.names, look)


def _list_tree(
    root: str,
    enters: Callable[[str], bool],
    after: str,
    pass_over: Callable[[OSError], bool] = lambda _: False,
) -> Iterator[Page]:
    if Path(root).is_file():
        parent, _, name = root.rpartition("/")
        yield from _page(parent + "/", [name], after)
        return

    def enter(folder: str, nested: Sequence[str]) -> list[str]:
        return [
            path
            for path in (join(folder, name) for name in sorted(nested, reverse=True))
            if _may_hold_later(path + "/", after) and enters(path)
        ]

    for folder, names in walk(root, enter, pass_over):
        yield from _page(join(folder, ""), names, after)


def _utf8_page(page: Page) -> Page:
    """Return the files of a page whose paths a table can hold."""
    # One call for all of them: nearly every page has no other.
    if is_utf8("".join((page.folder, *page.names))):
        return page
    kept = [name for name in page.names if is_utf8(page.folder + name)]
    _LOG.warning(
        "landing folder: %d files in %r have names or folders that are not UTF-8, "
        "which no table can hold, and were passed over: rename them",
        len(page.names) - len(kept),
        page.folder,
    )
    return Page(page.folder, kept, _looking(page.folder, kept))


def _may_hold_later(folder: str, after: str) -> bool:
    """Return True if a path below ``folder``, which ends with a slash, is ``after``."""
    return folder > after or after.startswith(folder)


def _page(folder: str, names: list[str], after: str) -> Iterator[Page]:
    if folder <= after:
        names = [name for name in names if folder + name > after]
    if names:
        yield Page(folder, names, _looking(folder, names))


def _looking(folder: str, names: Sequence[str]) -> Callable[[int], FileVersion | None]:
    return lambda position: look_at(folder + names[position])


def _leads_back(folder: str) -> bool:
    """Return True if ``folder`` is a link to a folder that it lies in."""
    target = leads_back_to(folder)
    if target is None:
        return False
    _LOG.warning("landing folder: link %r leads back to %r: skipped", folder, target)
    return True


def _file(path: str, status: os.stat_result) -> FileVersion:
    if not path.isprintable():
        _require_utf8(path)
    return FileVersion(path, status.st_size, storage.modified_at(status.st_mtime_ns))


def _require_utf8(path: str) -> None:
    if not is_utf8(path):
        raise FatalError(
            Condition.BAD_FILE,
            f"landed file {path!r} has a name that is not UTF-8, which no table can "
            "hold; rename it, or set option 'sluice.badFiles' (bronze.bad_files) to "
            "'quarantine' to pass over such files",
            {"path": path.encode(errors="backslashreplace").decode()},
        )


def _list_bucket(root: str, after: str) -> Iterator[Page]:
    prefix = join(root, "")
    pages = obstore.list(
        storage.open_store(root),
        offset=after.removeprefix(prefix) or None,
        chunk_size=_BUCKET_PAGE,
        return_arrow=True,
    )
    try:
        for page in pages:
            yield _bucket_page(prefix, pa.record_batch(page))
    except InvalidPathError as error:
        problem = str(error).partition("\n\nDebug source")[0]
        raise FatalError(
            Condition.BAD_FILE,
            f"bucket {root!r} holds a name that cannot be read: {problem}; rename that "
            "object: control characters, '//', '.' and '..' are not supported",
            {"path": root, "problem": problem},
        ) from error


def _bucket_page(prefix: str, found: pa.RecordBatch) -> Page:
    keys = found["path"].to_pylist()
    # The marker of the root itself has no name.
    kept = [row for row, key in enumerate(keys) if key and not is_hidden(key)]
    columns = [found[name] for name in ("size", "last_modified", "e_tag")]

    def look(position: int) -> FileVersion | None:
        row = kept[position]
        size, modified, etag = (column[row].as_py() for column in columns)
        path = prefix + keys[row]
        if size == 0 and storage.is_folder_marker(path):
            return None
        return FileVersion(path, size, modified, etag)

    return Page(prefix, [keys[position] for position in kept], look)
