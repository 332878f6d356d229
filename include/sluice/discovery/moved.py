"""Recognise a landing folder whose files the ledger knows under another path.

Files are known by their paths. In a lake that was moved or copied, behind a link or on
another mount each would be new, and its rows come twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sluice.discovery.listing import list_landed, selection_of
from sluice.errors import Condition, FatalError
from sluice.ledger.files import FilesSnapshot
from sluice.ledger.ledger import Ledger
from sluice.model import FileVersion
from sluice.options.incremental import is_below
from sluice.options.options import CloudFilesOptions


def require_same_path(
    options: CloudFilesOptions,
    ledger: Ledger | None,
    snapshot: FilesSnapshot | None = None,
) -> None:
    """Refuse a landing folder that ``ledger`` knows under another path.

    Lists the folder only where the ledger holds no file of it. ``snapshot`` are the
    ledger's files if they are open already.

    Raises:
        FatalError: its files are in the ledger under another path.
    """
    if ledger is None:
        return
    snapshot = snapshot or ledger.snapshot()
    first = snapshot.first_path()
    for root in selection_of(options).roots if first else ():
        if is_below(first, root) or snapshot.last_path(root):
            continue
        landed = [each for each in list_landed(options) if is_below(each.path, root)]
        known = find_known_root(snapshot, root, landed)
        if known is not None:
            raise FatalError(
                Condition.LANDING_MOVED,
                f"landing folder {root!r} was read as {known!r} until now, and ledger "
                f"{ledger.root!r} knows its files by that path: under another one each "
                "would be read once more; let a link or a mount give it the old path, "
                "and have 'bronze.source.path' (or the lake, if the folder lies in it) "
                "name that one",
                {"path": root, "known": known},
            )


def find_known_root(
    snapshot: FilesSnapshot, root: str, landed: Sequence[FileVersion]
) -> str | None:
    """Return the folder under which the files below ``root`` are known, if they are.

    One file with the same name, size and time is enough. A copy has other times: there
    name and size of more than half of the files must be known.
    """
    by_name: dict[str, list[tuple[str, FileVersion]]] = defaultdict(list)
    for file in landed:
        below = file.path.removeprefix(root).lstrip("/")
        name = file.path.rpartition("/")[2]
        by_name[name].append((f"/{below or name}", file))
    alike: set[str] = set()
    for batch in snapshot.batches(("path", "size", "modified")):
        for row in batch.to_pylist():
            path, version = row["path"], (row["size"], row["modified"])
            for below, file in by_name.get(path.rpartition("/")[2], ()):
                if not path.endswith(below) or file.size != row["size"]:
                    continue
                alike.add(file.path)
                same = (file.size, file.modified) == version
                if same or 2 * len(alike) > len(landed):
                    return str(path.removesuffix(below))
    return None
