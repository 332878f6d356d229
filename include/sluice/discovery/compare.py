"""From a listing to the files that a ledger does not hold: names first, then a look."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from sluice.discovery.listing import Page, list_pages, wanted_names
from sluice.ledger.files import FilesSnapshot
from sluice.ledger.known import Known
from sluice.model import FileVersion
from sluice.options.incremental import ListingState
from sluice.options.options import CloudFilesOptions

# Their names take about 50 MB.
_COMPARED_AT_ONCE = 1 << 19
_GROUPS_AHEAD = 2


def scan_new(
    snapshot: FilesSnapshot,
    options: CloudFilesOptions,
    start: ListingState | None,
) -> Iterator[FileVersion]:
    """Yield the listed files that ``snapshot`` does not hold, or those after ``start``.

    Only new names are looked at, but where ``allowOverwrites`` each file is, which on a
    disk costs a system call for every file that has ever landed.
    """
    after = start.cursors if start else None
    groups = _grouped(list_pages(options, after=after))
    # The system lists while Python compares; each next group is asked for beforehand.
    with ThreadPoolExecutor(1) as lister:
        ahead = deque(lister.submit(next, groups, None) for _ in range(_GROUPS_AHEAD))
        known = load_known(snapshot, options, start)
        while (group := ahead.popleft().result()) is not None:
            ahead.append(lister.submit(next, groups, None))
            yield from new_in(group, known, options)


def load_known(
    snapshot: FilesSnapshot,
    options: CloudFilesOptions,
    start: ListingState | None = None,
) -> Known:
    """Return what ``snapshot`` holds, or what it holds beyond ``start``."""
    after = start.seq if start else 0
    known = Known(by_version=options.allow_overwrites, after=after)
    known.catch_up(snapshot)
    return known


def new_in(
    group: Sequence[Page], known: Known, options: CloudFilesOptions
) -> Iterator[FileVersion]:
    """Yield the files of ``group`` that are wanted, still there and not ``known``."""
    wanted = wanted_names(options)
    if not options.allow_overwrites:
        fresh = known.new_names([(page.folder, page.names) for page in group])
        for page, positions in zip(group, fresh, strict=True):
            yield from look_at_wanted(page, positions, wanted)
    else:
        files = [
            file
            for page in group
            for file in look_at_wanted(page, range(len(page.names)), wanted)
        ]
        yield from (files[position] for position in known.new_files(files))


def _grouped(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """Yield pages together until they hold enough names to be compared at once."""
    group: list[Page] = []
    count = 0
    for page in pages:
        group.append(page)
        count += len(page.names)
        if count >= _COMPARED_AT_ONCE:
            yield group
            group, count = [], 0
    if group:
        yield group


def look_at_wanted(
    page: Page, positions: Iterable[int], wanted: Callable[[str], bool]
) -> Iterator[FileVersion]:
    """Yield what the storage says of the names that are wanted and still there."""
    for position in positions:
        if wanted(page.path(position)):
            file = page.look(position)
            if file:
                yield file
