"""Whether a table still has the rows that a query wrote: RESTORE keeps transactions.

Delta remembers the newest micro-batch of a query whatever happens to the rows, so a
table that was set back looks complete to a reader that asks for that batch only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sluice.delta.log import TableCommit, open_table, read_commits
from sluice.delta.tables import equal, query_table
from sluice.pipeline import LandedFiles

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.pipeline import Query

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ArchivedCommits:
    """The versions of a query's commits to its table, as the archive has them.

    Rows were whole up to ``newest`` when that was archived; -1 where nothing is.
    """

    first: int | None = None
    newest: int = -1
    newest_with_rows: int | None = None


def find_taken_back(
    query: Query, query_id: str, table: DeltaTable, archived: ArchivedCommits
) -> str | None:
    """Return how ``table`` lost rows of this query, None where it has them.

    Reads the part of the table's log that is newer than the archive. What log cleanup
    has taken of that is not guessed: the audit counts the rows of each file. A DELETE
    of some rows is meant; one that leaves none is not.
    """
    if table.version() == archived.newest:
        return None
    behind = _find_behind(query, table, archived)
    if behind:
        return behind
    commits = read_commits(query.table, after=archived.newest)
    is_empty = isinstance(query.source, LandedFiles) and not table.file_uris()
    return describe_lost(commits, query_id, archived, is_empty=is_empty)


def _find_behind(
    query: Query, table: DeltaTable, archived: ArchivedCommits
) -> str | None:
    """Return that the archive is of a newer table: this one came from a backup."""
    if table.version() >= archived.newest:
        return None
    # Another run may have committed and archived since.
    now = open_table(query.table)
    if now is not None and now.version() >= archived.newest:
        return None
    return (
        f"it is at version {table.version()}, and the archive has micro-batches "
        f"up to version {archived.newest}"
    )


def describe_lost(
    commits: Sequence[TableCommit],
    query_id: str,
    archived: ArchivedCommits,
    *,
    is_empty: bool,
) -> str | None:
    """Return how rows of a query were lost since the archive, None if none were.

    ``is_empty`` says that the table has no rows, and had some.
    """
    lost = rows_taken_back(commits, query_id, archived)
    if lost:
        return f"a RESTORE took back what {_versions(lost)} added"
    if is_empty and _is_emptied(commits, query_id, archived):
        return "all its rows were removed"
    return None


def rows_taken_back(
    commits: Sequence[TableCommit], query_id: str, archived: ArchivedCommits
) -> list[int]:
    """Return the versions with rows of ``query_id`` that a RESTORE took out again.

    ``commits`` are those above ``archived.newest``, oldest first. A RESTORE of a
    RESTORE gives back what the first one took.
    """
    first = archived.first
    written = [] if archived.newest_with_rows is None else [archived.newest_with_rows]
    lost: frozenset[int] = frozenset()
    lost_at: dict[int, frozenset[int]] = {}
    for commit in commits:
        if query_id in commit.transactions:
            first = commit.version if first is None else first
            written += [commit.version] if commit.added else []
        elif commit.operation == "RESTORE" and first is not None:
            target = _restored_version(commit)
            since = {version for version in written if version > target}
            # What was there before the query began is not what it began with.
            since |= {first} if target < first else set()
            lost = lost_at.get(target, frozenset()) | since
        lost_at[commit.version] = lost
    return sorted(lost)


def _restored_version(commit: TableCommit) -> int:
    """Return the version that a RESTORE went back to, -1 where it does not say."""
    version = str(commit.parameters.get("version") or "")
    return int(version) if version.isdecimal() else -1


def _is_emptied(
    commits: Sequence[TableCommit], query_id: str, archived: ArchivedCommits
) -> bool:
    own = (commit.version for commit in commits if query_id in commit.transactions)
    first = archived.first if archived.first is not None else next(own, None)
    removing = (commit.version for commit in commits if commit.removed)
    return first is not None and any(version > first for version in removing)


def read_archived_commits(
    archive: DeltaTable | None, pipeline: str, query_id: str
) -> ArchivedCommits:
    """Read from the table of archived batches, None where there is none."""
    if archive is None:
        return ArchivedCommits()
    mine = equal(pipeline=pipeline, query_id=query_id)
    sql = (
        "select min(table_version) as first, max(table_version) as newest, "
        "max(case when rows is distinct from 0 then table_version end) as with_rows "
        f"from t where {mine} and table_version is not null"
    )
    (found,) = query_table(archive, sql).to_pylist()
    if found["newest"] is None:
        return ArchivedCommits()
    return ArchivedCommits(
        first=found["first"],
        newest=found["newest"],
        newest_with_rows=found["with_rows"],
    )


def _versions(versions: Sequence[int]) -> str:
    shown = ", ".join(map(str, versions[:_SHOWN]))
    return f"versions {shown}{' …' if versions[_SHOWN:] else ''}"
