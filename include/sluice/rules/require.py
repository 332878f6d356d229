"""Refuse to begin where a pipeline does not fit together, or something is not over."""

from __future__ import annotations

from collections.abc import Sequence

from deltalake import DeltaTable

from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.definition import read_definition
from sluice.checkpoint.pending import PendingDeletion, PendingRepair, read_pending
from sluice.config import PipelineConfig
from sluice.errors import FatalError
from sluice.pipeline import Query
from sluice.rules.book import find_refusal
from sluice.rules.checkpoint import check_definition
from sluice.rules.facts import QueryFacts
from sluice.rules.read import read_facts


def require_fit(
    config: PipelineConfig,
    queries: Sequence[Query],
    archive: DeltaTable | None = None,
) -> list[QueryFacts]:
    """Refuse checkpoints that do not belong to their tables or to the ledger.

    Return the facts of the queries, which fit. ``archive`` is the table ``ops/batches``
    if it is open already.

    Raises:
        FatalError: what does not fit, and the command that mends it.
    """
    facts = read_facts(config, queries, archive)
    for each in facts:
        refusal = find_refusal(each)
        if refusal is not None:
            raise refusal.to_error(config.called)
    return facts


def require_definition(config: PipelineConfig, query: Query) -> None:
    """Refuse to compute windows by another definition than those in the table have.

    Raises:
        FatalError: what differs, and the ways out.
    """
    facts = QueryFacts(
        query=query,
        checkpoint=read_checkpoint(query.checkpoint),
        begun_as=read_definition(query.checkpoint) or "",
    )
    refusal = check_definition(facts)
    if refusal is not None:
        raise refusal.to_error(config.called)


def require_nothing_begun(config: PipelineConfig) -> None:
    """Refuse to begin while a repair or the deletion of the pipeline is not over.

    Raises:
        FatalError: one was begun; the message names the command that finishes it.
    """
    location = config.bronze_checkpoint_location
    for begun in (
        read_pending(location, PendingDeletion),
        read_pending(location, PendingRepair),
    ):
        if begun is not None:
            raise FatalError(
                begun.condition,
                f"pipeline {config.name!r}: {begun.called} was begun at "
                f"{begun.begun_at.isoformat()} and is not over, {begun.so_far}: run "
                f"'{begun.command}' again, it goes on from there",
                {"command": begun.command},
            )
