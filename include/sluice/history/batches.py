"""Every micro-batch ever run: the archive, and the checkpoint for what is newer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sluice.checkpoint import CheckpointFacts, read_checkpoint
from sluice.delta.tables import equal, read_table
from sluice.errors import Condition, UsageError
from sluice.history.archive import QueryHistory, batch_from_row, find_planned
from sluice.history.batch import Batch, describe_batches
from sluice.history.tables import read_rows
from sluice.pipeline import Query

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.pipeline import Pipeline


def list_batches(pipeline: Pipeline) -> list[Batch]:
    """Return every batch of every query of a pipeline, the one in flight included."""
    return [
        batch for query in pipeline.queries for batch in query_batches(pipeline, query)
    ]


def query_batches(pipeline: Pipeline, query: Query) -> list[Batch]:
    """Return every batch of one query: earlier checkpoints first, then by batch id."""
    checkpoint = read_checkpoint(query.checkpoint)
    archived = archived_batches(pipeline, query)
    if checkpoint is None or checkpoint.query_id is None:
        return archived
    mine = [each for each in archived if each.query_id == checkpoint.query_id]
    older = [each for each in archived if each.query_id != checkpoint.query_id]
    history = QueryHistory(pipeline, query, checkpoint)
    after = max((each.batch_id for each in mine), default=-1)
    newer = [each.batch for each in find_planned(history, after=after)]
    return [*older, *(_as_of_now(each, checkpoint) for each in mine), *newer]


def list_checkpoint_batches(location: str) -> list[Batch]:
    """Return the batches that a checkpoint alone knows: its last hundred or so.

    Raises:
        UsageError: there is no checkpoint at ``location``.
    """
    checkpoint = read_checkpoint(location)
    if checkpoint is None:
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"{location!r} is no checkpoint: it has none of metadata, offsets, commits",
            {"path": location},
        )
    name = location.rstrip("/").rsplit("/", 1)[-1]
    return list(describe_batches(name, checkpoint, {}))


def to_json(batch: Batch) -> dict[str, Any]:
    """Return a batch in the shape that ``sluice batches --json`` promises."""
    start = batch.start_offsets
    return {
        "query": batch.query,
        "batch_id": batch.batch_id,
        "kind": batch.kind.value,
        "committed": batch.committed,
        "start_offsets": None if start is None else list(map(_parsed, start)),
        "end_offsets": list(map(_parsed, batch.end_offsets)),
        "rows": batch.rows,
        "table_version": batch.table_version,
        "watermark": batch.watermark,
    }


def _parsed(offset: str | None) -> object:
    return None if offset is None else json.loads(offset)


def archived_batches(pipeline: Pipeline, query: Query) -> list[Batch]:
    """Return the archived batches of one query, of all its checkpoints in turn."""
    where = equal(pipeline=pipeline.name, query=query.name)
    rows = read_rows(pipeline.ops_location("batches"), where)
    return list(_in_order([batch_from_row(row) for row in rows]))


def archived_by_query(
    pipeline: Pipeline, archive: DeltaTable | None
) -> dict[str, list[Batch]]:
    """Return what ``archived_batches`` does of each query, by its name, in one read.

    ``archive`` is the table ``ops/batches``, None where there is none.
    """
    found: dict[str, list[Batch]] = {each.name: [] for each in pipeline.queries}
    where = equal(pipeline=pipeline.name)
    for row in read_table(archive, where=where).to_pylist() if archive else ():
        found.setdefault(row["query"], []).append(batch_from_row(row))
    return {name: list(_in_order(batches)) for name, batches in found.items()}


def _in_order(batches: list[Batch]) -> Iterator[Batch]:
    """Yield the batches checkpoint by checkpoint, in the order in which those began."""
    began: dict[str, list[Batch]] = {}
    for batch in sorted(batches, key=lambda each: each.planned_at):
        began.setdefault(batch.query_id, []).append(batch)
    for mine in began.values():
        yield from sorted(mine, key=lambda each: each.batch_id)


def _as_of_now(batch: Batch, checkpoint: CheckpointFacts) -> Batch:
    """Take from the checkpoint if a batch that it still knows is committed."""
    if batch.batch_id not in checkpoint.offsets:
        return batch
    return replace(batch, committed=batch.batch_id in checkpoint.commits)
