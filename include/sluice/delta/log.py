"""What a Delta table's log says, commit by commit, read without a JVM.

A commit that log cleanup has removed is absent, not an error: Delta keeps 30 days. What
must always be known, the newest transaction of a query, lives in the snapshot.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.paths import is_local, join, normalize

_COMMIT = re.compile(r"(\d{20})\.json")
_PARALLEL_READS = 8


@dataclass(frozen=True)
class AddedFile:
    """A data file that a commit added; ``rows`` is None where it has no statistics."""

    path: str
    size: int
    rows: int | None
    partition_values: Mapping[str, str | None]


@dataclass(frozen=True)
class TableCommit:
    """One version of a table.

    ``data_change`` is True where it added or removed files, and did not only rearrange
    rows, as compaction does.
    """

    version: int
    committed_at: datetime
    operation: str
    parameters: Mapping[str, Any]
    metrics: Mapping[str, str]
    transactions: Mapping[str, int]
    added: tuple[AddedFile, ...]
    removed: tuple[str, ...]
    data_change: bool
    is_blind_append: bool
    user_metadata: str | None

    @property
    def described(self) -> Mapping[str, object]:
        """What the commit says of itself, empty where it is not an object of JSON."""
        try:
            found = json.loads(self.user_metadata or "{}")
        except ValueError:  # another writer's, in words of its own
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def rows(self) -> int | None:
        """Rows in the added files, None where one of them does not say."""
        counts = [file.rows for file in self.added if file.rows is not None]
        return sum(counts) if len(counts) == len(self.added) else None

    @property
    def rows_written(self) -> int | None:
        """Rows that are new or changed: a MERGE also copies those beside them."""
        if self.operation != "MERGE":
            return self.rows
        names = ("numTargetRowsInserted", "numTargetRowsUpdated")
        return sum(int(self.metrics.get(name, 0)) for name in names)


def read_commits(table_location: str, *, after: int = -1) -> list[TableCommit]:
    """Return the commits still in the log with a version above ``after``, oldest first.

    Costs one listing and one small read per commit returned. A location without a
    table has no commits.

    Raises:
        FatalError: a commit file is not what Delta writes.
    """
    log = join(table_location, "_delta_log")
    versions = _list_versions(log, after)
    read = partial(_read_commit, table_location, log)
    # Of a disk's files a thread costs more than the reading.
    if is_local(log) or len(versions) < _PARALLEL_READS:
        return [commit for commit in map(read, versions) if commit]
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        return [commit for commit in pool.map(read, versions) if commit]


def read_back(table_location: str, newest: int) -> Iterator[TableCommit]:
    """Yield the commits from version ``newest`` back, as far as the log has them."""
    log = join(table_location, "_delta_log")
    for version in range(newest, -1, -1):
        commit = _read_commit(table_location, log, version)
        if commit is None:
            return
        yield commit


def read_lowest(
    table_location: str, version: int, column: str
) -> list[datetime] | None:
    """Return the least time in a column of each file that a commit added.

    None where a file does not say, or the commit is gone. ``column`` is named as in the
    data files.
    """
    log = join(table_location, "_delta_log")
    text = storage.read(log, f"{version:020d}.json")
    if text is None:
        return None
    actions = [json.loads(line) for line in text.decode().splitlines() if line.strip()]
    lowest = [
        json.loads(add.get("stats") or "{}").get("minValues", {}).get(column)
        for add in _actions(actions, "add")
    ]
    if None in lowest:
        return None
    # Writers differ in the digits of a second, and in the zone.
    return [datetime.fromisoformat(str(each)) for each in lowest]


def missing_versions(table_location: str) -> list[int]:
    """Return the commits that are gone though the log needs them, oldest first.

    Log cleanup takes the oldest commits, and only such as a Delta checkpoint holds.
    """
    log = join(table_location, "_delta_log")
    versions = _list_versions(log, -1)
    if not versions:
        return []
    has_checkpoint = storage.read(log, "_last_checkpoint") is not None
    first = versions[0] if has_checkpoint else 0
    return sorted(set(range(first, versions[-1])) - set(versions))


def latest_transaction(table_location: str, app_id: str) -> int | None:
    """Return the newest version that ``app_id`` committed to the table, ever.

    Unlike the commits this outlives log cleanup, and a RESTORE does not take it back.
    """
    table = open_table(table_location)
    return table.transaction_version(app_id) if table else None


def open_table(table_location: str) -> DeltaTable | None:
    """Open the newest version of a table, None where there is no table."""
    if is_local(table_location) and not Path(table_location, "_delta_log").is_dir():
        return None
    try:
        return DeltaTable(table_location)
    except TableNotFoundError:
        return None


def parse_commit(
    text: str, *, version: int, table_location: str, written: datetime
) -> TableCommit:
    """Parse the actions of one commit file.

    ``written`` stands in for the time of a commit without ``commitInfo``.

    Raises:
        ValueError: a line is not JSON, or a key that Delta always writes is missing.
    """
    actions = [json.loads(line) for line in text.splitlines() if line.strip()]
    info: dict[str, Any] = next(_actions(actions, "commitInfo"), {})
    added = list(_actions(actions, "add"))
    removed = list(_actions(actions, "remove"))
    time_ms = info.get("inCommitTimestamp", info.get("timestamp"))
    return TableCommit(
        version=version,
        committed_at=written if time_ms is None else _from_ms(time_ms),
        operation=str(info.get("operation", "")),
        parameters=info.get("operationParameters") or {},
        metrics=_as_text(info.get("operationMetrics") or {}),
        transactions={
            txn["appId"]: int(txn["version"]) for txn in _actions(actions, "txn")
        },
        added=tuple(_added_file(each, table_location) for each in added),
        removed=tuple(_absolute(each["path"], table_location) for each in removed),
        data_change=any(each.get("dataChange", True) for each in added + removed),
        is_blind_append=bool(info.get("isBlindAppend", False)),
        user_metadata=info.get("userMetadata"),
    )


def _list_versions(log: str, after: int) -> list[int]:
    names = _list_disk(log) if is_local(log) else _list_bucket(log, after)
    matches = filter(None, map(_COMMIT.fullmatch, names))
    return sorted(int(match[1]) for match in matches if int(match[1]) > after)


def _list_disk(log: str) -> list[str]:
    try:
        with os.scandir(log) as entries:
            # A folder, or a link to nothing, is no commit.
            return [each.name for each in entries if each.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _list_bucket(log: str, after: int) -> list[str]:
    # Commit files sort by version, so a bucket starts its listing right there.
    offset = f"{after:020d}.json" if after >= 0 else None
    pages = obstore.list(storage.open_store(log), offset=offset)
    return [str(entry["path"]) for page in pages for entry in page]


def _read_commit(table_location: str, log: str, version: int) -> TableCommit | None:
    key = f"{version:020d}.json"
    found = storage.read_dated(log, key)
    if found is None:  # log cleanup took it since the listing
        return None
    content, written = found
    try:
        return parse_commit(
            content.decode("utf-8"),
            version=version,
            table_location=table_location,
            written=written,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FatalError(
            Condition.TABLE_UNREADABLE,
            f"commit {join(log, key)!r} is not what Delta writes: {error!r}; "
            "restore that file from a backup, no reader can pass it",
            {"table": table_location, "version": version},
        ) from error


def _actions(actions: list[dict[str, Any]], kind: str) -> Iterator[dict[str, Any]]:
    return (action[kind] for action in actions if kind in action)


def _added_file(add: Mapping[str, Any], table_location: str) -> AddedFile:
    stats = json.loads(add["stats"]) if add.get("stats") else {}
    return AddedFile(
        path=_absolute(add["path"], table_location),
        size=int(add["size"]),
        rows=stats.get("numRecords"),
        partition_values=add.get("partitionValues") or {},
    )


def _absolute(path: str, table_location: str) -> str:
    # Paths in the log are URIs: relative to the table, or whole after a shallow clone.
    if path.startswith("/") or re.match(r"[a-z0-9+.-]+:/", path):
        return normalize(unquote(path) if path.startswith("/") else path)
    return join(table_location, unquote(path))


def _as_text(metrics: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in metrics.items()}


def _from_ms(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
