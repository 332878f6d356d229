"""Say which file of a ledger is damaged, where delta-rs only says that one is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from sluice import storage
from sluice.delta.log import missing_versions, open_table, read_commits
from sluice.errors import Condition, FatalError
from sluice.paths import join

_TABLES = ("files", "claims", "events")


def ledger_root(schema_location: str) -> str:
    """Return where the ledger below a schema location is."""
    return join(schema_location, "_ledger")


@contextmanager
def damage_named(root: str) -> Iterator[None]:
    """Raise what delta-rs raises inside as an error that names the damaged file.

    What is no damage of the ledger at ``root`` is raised as it is.

    Raises:
        FatalError: a file of the ledger's tables is damaged or gone.
    """
    try:
        yield
    except (CommitFailedError, TableNotFoundError):
        raise
    except (DeltaError, pa.ArrowException, OSError) as error:
        found = find_damage(root)
        if found is None:
            raise
        raise FatalError(
            Condition.LEDGER_UNREADABLE,
            f"ledger {root!r} cannot be read: {found}; restore that file from a "
            "backup, or run 'sluice checkpoint repair', which makes a new ledger from "
            "table and archive",
            {"ledger": root},
        ) from error


def find_damage(root: str) -> str | None:
    """Return what is wrong with the first damaged file of a ledger, None where none is.

    Looks at every file of its logs, and at the size of every data file.
    """
    for name in _TABLES:
        location = join(root, name)
        found = _damaged_log(location) or _damaged_data(location)
        if found:
            return found
    return None


def _damaged_log(location: str) -> str | None:
    try:
        read_commits(location)
    except FatalError as error:
        return error.message.split(";", maxsplit=1)[0]
    missing = missing_versions(location)
    log = join(location, "_delta_log")
    return (
        f"commit {join(log, f'{missing[0]:020d}.json')!r} is gone" if missing else None
    )


def _damaged_data(location: str) -> str | None:
    try:
        table = open_table(location)
    except DeltaError as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        return f"the log of table {location!r} is damaged: {reason}"
    if table is None:
        return None
    for path, expected in _data_files(location, table):
        found = storage.status(path)
        if found is None:
            return f"data file {path!r} is gone"
        if found.size != expected:
            return f"data file {path!r} has {found.size} of {expected} bytes"
    return None


def _data_files(location: str, table: DeltaTable) -> Iterator[tuple[str, int]]:
    added = pa.table(table.get_add_actions())
    for path, size in zip(added["path"], added["size_bytes"], strict=True):
        # Its own names need no encoding, and it encodes what needs it.
        yield join(location, unquote(path.as_py())), size.as_py()
