"""Which bronze versions each silver micro-batch read, under which watermarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from sluice.checkpoint import CheckpointFacts, DeltaOffset, OffsetEntry
from sluice.checkpoint.watermark import EPOCH, to_moment
from sluice.delta.log import TableCommit, read_commits
from sluice.errors import Condition, FatalError
from sluice.paths import join


@dataclass(frozen=True)
class SilverBatch:
    """One committed micro-batch: it read bronze from ``start`` up to before ``end``.

    ``start_version`` is None for the first batch, which reads the whole table. Rows are
    late when their window ended at or before ``late_watermark``, which is that of the
    batch before: Spark drops late rows one batch behind the ``watermark`` that closes
    windows.
    """

    batch_id: int
    start_version: int | None
    end_version: int
    late_watermark: datetime
    watermark: datetime


def list_batches(facts: CheckpointFacts, *, after: int) -> list[SilverBatch]:
    """Return the committed batches above ``after`` whose logs still exist, in order."""
    known = sorted(batch for batch in facts.commits if batch > after)
    return [
        _batch(batch, facts)
        for batch in known
        if batch in facts.offsets and (batch == 0 or batch - 1 in facts.offsets)
    ]


def planned_batch(facts: CheckpointFacts) -> SilverBatch | None:
    """Return the batch that was planned and not committed, None if its log is gone."""
    batch = facts.uncommitted
    if batch is None or (batch > 0 and batch - 1 not in facts.offsets):
        return None
    return _batch(batch, facts)


def list_files(
    bronze_location: str, batches: Sequence[SilverBatch]
) -> dict[int, list[str] | None]:
    """Return the data files that each batch read, as the stream itself chose them.

    Compaction adds no rows and ``skipChangeCommits`` passes over commits that remove
    rows, so the files of both are left out, except in the first batch's snapshot. None
    stands for a batch whose versions are no longer in bronze's log.
    """
    starts = [each.start_version for each in batches if each.start_version is not None]
    commits = read_commits(bronze_location, after=min(starts) - 1) if starts else []
    by_version = {commit.version: commit for commit in commits}
    return {
        each.batch_id: _files(bronze_location, each, by_version) for each in batches
    }


def _files(
    bronze_location: str, batch: SilverBatch, commits: Mapping[int, TableCommit]
) -> list[str] | None:
    if batch.start_version is None:
        return _snapshot_files(bronze_location, batch.end_version - 1)
    versions = range(batch.start_version, batch.end_version)
    if not all(version in commits for version in versions):
        return None
    read = [commits[version] for version in versions]
    return [file.path for commit in read if _is_read(commit) for file in commit.added]


def _snapshot_files(location: str, version: int) -> list[str] | None:
    try:
        table = DeltaTable(location, version=version)
    except DeltaError:
        return None
    # Not file_uris(): that encodes the folder and decodes the name.
    paths = pa.table(table.get_add_actions())["path"].to_pylist()
    return [join(location, unquote(path)) for path in paths]


def _is_read(commit: TableCommit) -> bool:
    return commit.data_change and not commit.removed


def _batch(batch_id: int, facts: CheckpointFacts) -> SilverBatch:
    before = facts.offsets.get(batch_id - 1)
    entry = facts.offsets[batch_id]
    return SilverBatch(
        batch_id=batch_id,
        start_version=_version(before, facts) if before else None,
        end_version=_version(entry, facts),
        late_watermark=to_moment(before.watermark_ms) if before else EPOCH,
        watermark=to_moment(entry.watermark_ms),
    )


def _version(entry: OffsetEntry, facts: CheckpointFacts) -> int:
    """Return the first bronze version that the batch of ``entry`` has not read."""
    end = entry.end
    if not isinstance(end, DeltaOffset) or not end.is_whole:
        raise FatalError(
            Condition.CHECKPOINT_UNREADABLE,
            f"checkpoint {facts.location!r}: batch {entry.batch_id} ends at "
            f"{entry.offsets[0]}, inside a bronze version, expected whole versions; it "
            "was written by another query: start a new checkpoint",
            {"checkpoint": facts.location, "batch_id": entry.batch_id},
        )
    return end.version
