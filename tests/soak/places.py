"""Where a run was cut off, as the files on the disk prove it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from sluice.config import PipelineConfig
from support.killing import Claimed, Query, newest

_FOOTER = b"PAR1"


@dataclass(frozen=True)
class QueryProgress:
    """How far one query came: its newest batch in each of three places."""

    planned: int
    written: int
    committed: int
    begun_files: int
    """Data files that no table version names, made since the run began."""
    whole_files: int

    @property
    def is_cut_off(self) -> bool:
        """Whether a batch is planned and not committed."""
        return self.planned > self.committed

    def place(self) -> str | None:
        """Name the steps between which a batch is cut off, None where none is."""
        if not self.is_cut_off:
            return None
        if self.written >= self.planned:
            return "Delta commit | commit log"
        if not self.begun_files:
            return "offset log | first task"
        if self.whole_files < self.begun_files:
            return "a task writes its file"
        return "a task is done | Delta commit"


@dataclass(frozen=True)
class Progress:
    """How far a pipeline came."""

    discovered: int
    """Appends to the ledger."""
    claimed_ahead: bool
    archived: int
    """The newest batch of bronze in the archive, -1 before the first."""
    bronze: QueryProgress
    silver: QueryProgress


def read_progress(config: PipelineConfig, *, since: float) -> Progress:
    """Read it from the disk; ``since`` is when the run began, in seconds."""
    (windows,) = config.silver
    bronze = Query(config.bronze_checkpoint_location, config.bronze_location)
    silver = Query(
        config.silver_checkpoint_location(windows), config.silver_location(windows)
    )
    root = f"{config.schema_location}/_ledger"
    claims = newest(f"{root}/claims/_delta_log") >= 0
    return Progress(
        newest(f"{root}/files/_delta_log"),
        claims and Claimed(bronze, config.schema_location).is_hit(),
        _archived(config, Path(bronze.checkpoint, "metadata")),
        _read_query(bronze, since),
        _read_query(silver, since),
    )


def name_place(before: Progress, now: Progress) -> str:
    """Name the steps of the protocol between which a run was cut off."""
    return next(_places(before, now))


def _places(before: Progress, now: Progress) -> Iterator[str]:
    """Yield the names that are true of a run, the latest step first.

    What was cut off before and has not moved since says nothing of this run.
    """
    if now.silver != before.silver:
        yield f"silver: {now.silver.place() or 'commit log | end'}"
    if now.bronze != before.bronze:
        yield f"bronze: {now.bronze.place() or _between_batches(now)}"
    if now.bronze.is_cut_off or before.claimed_ahead:
        yield "bronze: start | repeat of what was cut off"
    if now.claimed_ahead:
        yield "bronze: claim | offset log"
    if now.discovered > before.discovered:
        yield "bronze: ledger append | claim"
    yield "bronze: start | ledger append"


def _between_batches(now: Progress) -> str:
    """Name the steps after a commit log that a run is between."""
    if now.claimed_ahead:
        return "claim | offset log"
    done = now.archived >= now.bronze.committed
    return "archive | silver" if done else "commit log | claim or archive"


def _read_query(query: Query, since: float) -> QueryProgress:
    begun = _unnamed_files(Path(query.table), since)
    known = Path(query.checkpoint, "metadata").is_file()
    return QueryProgress(
        query.planned,
        query.written if known else -1,
        query.committed,
        len(begun),
        sum(path.read_bytes()[-4:] == _FOOTER for path in begun),
    )


def _unnamed_files(table: Path, since: float) -> list[Path]:
    """Return the data files that no commit of the table names."""
    named = {
        unquote(action["add"]["path"])
        for log in table.glob("_delta_log/[0-9]*.json")
        for action in map(json.loads, log.read_text().splitlines())
        if "add" in action
    }
    return [
        path
        for path in table.rglob("*.parquet")
        if "_delta_log" not in path.parts
        and path.stat().st_mtime >= since
        and str(path.relative_to(table)) not in named
    ]


def _archived(config: PipelineConfig, metadata: Path) -> int:
    if not metadata.is_file():
        return -1
    query_id = json.loads(metadata.read_text())["id"]
    try:
        table = DeltaTable(config.ops_location("batches"))
    except TableNotFoundError:
        return -1
    version = table.transaction_version(f"sluice-history-orders-bronze-{query_id}")
    return -1 if version is None else version
