"""How far a table that no stream writes has come, by its own transactions.

The commit that merged or computed it carries the version of the table that it was made
from, under an id that names definition and source. There is nothing beside the table
that could be lost, or restored without it. Starts no JVM and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from deltalake.exceptions import DeltaError

from sluice.delta.log import TableCommit, open_table, read_back
from sluice.errors import Condition, FatalError
from sluice.storage_errors import storage_error

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SOURCE_AT = "source_committed_at"


@dataclass(frozen=True)
class Derived:
    """Up to which version of its source a table has come, and when that was committed.

    The time is empty where the log of the table no longer has it.
    """

    version: int
    source_at: str


def open_derived(location: str) -> DeltaTable | None:
    """Open a table that can be computed again, None where there is none.

    Raises:
        FatalError: it is damaged.
        RetryableError: object storage cannot be reached.
        UsageError: object storage refuses the key, the bucket or the address.
    """
    try:
        return open_table(location)
    except DeltaError as error:
        raise storage_error(str(error)) or FatalError(
            Condition.TABLE_UNREADABLE,
            f"table {location!r} cannot be read: {error}; restore it from a backup, or "
            "move its folder away to have it computed again",
            {"table": location},
        ) from error


def derived_id(kind: str, definition: str, source: DeltaTable) -> str:
    """Return the application id of tables of one definition over one source."""
    defined = sha256(definition.encode()).hexdigest()[:16]
    return f"sluice-{kind}-{defined}-{source.metadata().id}"


def describe_derived(step: str, at: datetime | None) -> dict[str, object]:
    """Return what a commit says of itself that was made from a version of ``at``."""
    return {"step": step, _SOURCE_AT: _text(at)}


def read_derived(location: str, table: DeltaTable, app_id: str) -> Derived | None:
    """Return how far ``table`` has come under an id; None where it has never been.

    Raises:
        FatalError: it was set back since, so that its transactions say too much.
    """
    version = table.transaction_version(app_id)
    if version is None:
        return None
    for commit in read_back(location, table.version()):
        if app_id in commit.transactions:
            return Derived(version, str(commit.described.get(_SOURCE_AT, "")))
        if commit.operation == "RESTORE":
            raise rewound_error(location, f"version {commit.version} set it back")
    return Derived(version, "")


def require_same_past(
    location: str, derived: Derived, up_to: int, commits: Mapping[int, TableCommit]
) -> None:
    """Refuse where the source was put back, so that versions came a second time.

    ``commits`` are those of the source, which is at version ``up_to``.

    Raises:
        FatalError: the table has come further, or by another version of that number.
    """
    if derived.version > up_to:
        raise rewound_error(
            location,
            f"it was made up to version {derived.version} of its source, which is at "
            f"version {up_to}",
        )
    known = commits.get(derived.version)
    if known and derived.source_at and _text(known.committed_at) != derived.source_at:
        raise rewound_error(
            location,
            f"version {derived.version} of its source is another one than it was made "
            "from",
        )


def rewound_error(location: str, reason: str) -> FatalError:
    """Return the error for a table that does not fit to its source any more."""
    return FatalError(
        Condition.TABLE_REWOUND,
        f"table {location!r} does not fit to its source: {reason}; put both back from "
        "one backup, or move the table's folder away to have it computed again",
        {"table": location},
    )


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
