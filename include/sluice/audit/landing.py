"""The landing folder's own account: which files are there, and how many records each.

Listed and counted apart from the source on purpose: a mistake that both shared would
never be found.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath

import obstore

from sluice import storage
from sluice.audit.counted import Known
from sluice.audit.counting import count_records
from sluice.discovery.edge import is_inside
from sluice.discovery.listing import selection_of
from sluice.discovery.walk import leads_back_to
from sluice.model import FileVersion
from sluice.options.filters import group_by_age
from sluice.options.globs import matches
from sluice.options.options import CloudFilesOptions
from sluice.paths import is_local, join
from sluice.rules.facts import LandedFile

# Spark passes over such names: markers, and what is being written.
_HIDDEN = re.compile(r"_[^=]*|\..*|.*\._COPYING_", re.DOTALL)
# Gone since the listing, a link that leads nowhere; or what no one can open.
_NOTHING = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG}
_NOTHING |= {errno.EACCES, errno.EPERM}
# path, size, when it arrived, when it was modified
_Found = tuple[str, int, datetime, datetime]


def read_landing(
    options: CloudFilesOptions, known: Known | None = None
) -> dict[str, LandedFile] | None:
    """Return every file that has landed, by path; None where there is no folder.

    Files whose records are ``known`` are not read.
    """
    selection = selection_of(options)
    roots = [each for each in selection.roots if not is_local(each) or _exists(each)]
    if not roots:
        return None
    wanted = [
        each
        for root in roots
        for each in (
            _walk_disk(root, options) if is_local(root) else _walk_bucket(root)
        )
        if _is_wanted(each[0].removeprefix(root), options) and selection.takes(each[0])
    ]
    now = datetime.now(UTC)
    describe = partial(_landed_file, options=options, now=now, known=known or {})
    files = [describe(each) for each in wanted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        # A thread costs more than to look up what is known.
        unknown = (each for each in files if each.records is None)
        counted = pool.map(partial(_counted, options=options), unknown)
        return {file.path: file for file in (*files, *counted)}


def _landed_file(
    found: _Found, *, options: CloudFilesOptions, now: datetime, known: Known
) -> LandedFile:
    path, size, arrived, modified = found
    groups = group_by_age([FileVersion(path, size, modified)], options.age_rules, now)
    passed_over = bool(groups.outside)
    arrived += options.min_file_age or timedelta(0)
    records = known.get((path, size, modified))
    return LandedFile(path, size, modified, arrived, records, passed_over=passed_over)


def _counted(file: LandedFile, options: CloudFilesOptions) -> LandedFile:
    try:
        return replace(file, records=count_records(file.path, options.format))
    except (OSError, ValueError) as error:
        return replace(file, error=str(error))


def _walk_disk(root: str, options: CloudFilesOptions) -> Iterator[_Found]:
    inside = is_inside(root, follows=options.follow_links)
    for folder, nested, names in os.walk(root, followlinks=True):
        nested[:] = [
            each
            for each in nested
            if not leads_back_to(f"{folder}/{each}") and inside(f"{folder}/{each}")
        ]
        for name in names:
            if not inside(f"{folder}/{name}"):
                continue
            try:
                status = Path(folder, name).stat()
            except OSError as error:
                if error.errno not in _NOTHING:
                    raise
                continue
            if not stat.S_ISREG(status.st_mode):
                continue  # a pipe or a socket: opening it may never return
            # A file that is moved or copied in may bring its old modification time; the
            # inode's time says when it got here.
            modified = storage.modified_at(status.st_mtime_ns)
            arrived = max(modified, datetime.fromtimestamp(status.st_ctime, UTC))
            path = os.path.join(folder, name)  # noqa: PTH118
            yield path, status.st_size, arrived, modified


def _walk_bucket(root: str) -> Iterator[_Found]:
    for page in obstore.list(storage.open_store(root)):
        for entry in page:
            path, size = join(root, str(entry["path"])), int(entry["size"])
            if size or not storage.is_folder_marker(path):
                yield path, size, entry["last_modified"], entry["last_modified"]


def _exists(root: str) -> bool:
    return Path(root).exists()


def _is_wanted(below: str, options: CloudFilesOptions) -> bool:
    parts = PurePosixPath(below.lstrip("/")).parts
    if any(_HIDDEN.fullmatch(part) for part in parts):
        return False
    pattern = options.path_glob_filter
    return pattern is None or not parts or matches(parts[-1], pattern)
