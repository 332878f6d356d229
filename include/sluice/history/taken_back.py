"""Whether a table still has the rows that a query wrote: RESTORE keeps transactions.

Delta remembers the newest micro-batch of a query whatever happens to the rows, so a
table that was set back looks complete to everybody who asks it for that batch only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sluice.deltalog import TableCommit, open_table, read_commits
from sluice.history.replayed_rows import REPLAY
from sluice.history.steps import latest_start
from sluice.history.tables import read_rows
from sluice.tables import any_of, equal, query_table

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.config import PipelineConfig
    from sluice.history.queries import Query

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ArchivedCommits:
    """What the archive knows of a query's commits to its table, versions or rows.

    Rows were whole up to ``newest`` when that was archived; -1 where nothing is.
    """

    first: int | None = None
    newest: int = -1
    newest_with_rows: int | None = None
    rows: int = 0


def find_taken_back(
    config: PipelineConfig, query: Query, query_id: str | None
) -> str | None:
    """Return how the table lost rows of this query, None where it has them.

    Reads the part of the table's log that is newer than the archive. Where log cleanup
    has taken some of that, the table's number of rows is compared with the archive's,
    less those that replays took. A DELETE of some rows is somebody's wish while the log
    tells of it; one that leaves none is not taken for one.
    """
    table = open_table(query.table)
    if table is None or query_id is None:
        return None
    archived = _read_archived(config, query_id)
    if table.version() == archived.newest:
        return None
    behind = _find_behind(query, table, archived)
    return behind or _find_lost(config, query, query_id, table, archived)


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
        f"it is at version {table.version()}, and the archive tells of micro-batches "
        f"up to version {archived.newest}"
    )


def _find_lost(
    config: PipelineConfig,
    query: Query,
    query_id: str,
    table: DeltaTable,
    archived: ArchivedCommits,
) -> str | None:
    """Return how rows were lost since, None where they were not."""
    commits = read_commits(query.table, after=archived.newest)
    lost = rows_taken_back(commits, query_id, archived)
    if lost:
        return f"a RESTORE took back what {_versions(lost)} added"
    if query.reads_ledger and _is_emptied(table, commits, query_id, archived):
        return "all its rows were removed"
    if _has_gap(commits, table.version(), archived):
        wished = _wished_away(config, query, query_id)
        return _fewer_rows(table, archived, wished)
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
    table: DeltaTable,
    commits: Sequence[TableCommit],
    query_id: str,
    archived: ArchivedCommits,
) -> bool:
    own = (commit.version for commit in commits if query_id in commit.transactions)
    first = archived.first if archived.first is not None else next(own, None)
    if first is None or table.file_uris():
        return False
    return any(commit.removed and commit.version > first for commit in commits)


def _has_gap(
    commits: Sequence[TableCommit], version: int, archived: ArchivedCommits
) -> bool:
    """Tell whether log cleanup has taken commits that are newer than the archive."""
    oldest = commits[0].version if commits else version + 1
    return archived.newest >= 0 and oldest > archived.newest + 1


def _fewer_rows(
    table: DeltaTable, archived: ArchivedCommits, wished: int | None
) -> str | None:
    """Return that rows are gone, but for those ``wished`` away, None if unknown."""
    counts = pa.table(table.get_add_actions(flatten=True))["num_records"]
    found = int(pc.sum(counts).as_py() or 0)
    if counts.null_count or wished is None or found >= archived.rows - wished:
        return None
    return (
        f"it has {found} rows, its micro-batches wrote {archived.rows}"
        f"{f' of which replays took {wished}' if wished else ''}, and the log no "
        "longer tells what took them"
    )


def _wished_away(config: PipelineConfig, query: Query, query_id: str) -> int | None:
    """Return how many rows fewer replays have left, None where nobody counted.

    A replay replaces all that a path had. Of silver, whose windows a replay or a
    backfill computes anew from bronze, nobody keeps how many those were before.
    """
    if not query.reads_ledger:
        steps = (latest_start(config, step) for step in ("backfill", "replay"))
        return None if any(steps) else 0
    location, mine = config.ops_location("batch_files"), equal(pipeline=config.name)
    by_version = ["path", "table_version", "rows"]
    where = f"{mine} and {equal(query_id=REPLAY)}"
    replays = sorted(_distinct(location, by_version, where), key=itemgetter(1))
    newest = {path: (version, rows) for path, version, rows in replays}
    if not newest:
        return 0
    where = f"{mine} and {equal(query_id=query_id)} and {any_of('path', [*newest])}"
    before = [
        (path, rows)
        for path, version, rows, _ in _distinct(location, [*by_version, "seq"], where)
        if version is not None and version < newest[path][0]
    ]
    after = [newest[path][1] for path in {path for path, _ in before}]
    counts = [*(rows for _, rows in before), *after]
    if None in counts:
        return None
    return int(sum(rows for _, rows in before) - sum(after))


def _distinct(
    location: str, columns: Sequence[str], where: str
) -> list[tuple[Any, ...]]:
    """Return some columns of the archive; one replay may have been archived twice."""
    rows = read_rows(location, where, columns)
    return list({tuple(row[name] for name in columns) for row in rows})


def _read_archived(config: PipelineConfig, query_id: str) -> ArchivedCommits:
    table = open_table(config.ops_location("batches"))
    if table is None:
        return ArchivedCommits()
    mine = equal(pipeline=config.name, query_id=query_id)
    sql = (
        "select min(table_version) as first, max(table_version) as newest, "
        "max(case when rows is distinct from 0 then table_version end) as with_rows, "
        f"sum(rows) as rows from t where {mine} and table_version is not null"
    )
    (found,) = query_table(table, sql).to_pylist()
    if found["newest"] is None:
        return ArchivedCommits()
    return ArchivedCommits(
        first=found["first"],
        newest=found["newest"],
        newest_with_rows=found["with_rows"],
        rows=found["rows"] or 0,
    )


def _versions(versions: Sequence[int]) -> str:
    shown = ", ".join(map(str, versions[:_SHOWN]))
    return f"versions {shown}{' …' if versions[_SHOWN:] else ''}"
