"""Delete what a pipeline made, so that a kill at any moment leaves no trap.

Before anything goes, all that is to go is written down beside the checkpoint. From then
on no run begins, until the deletion is called again and has come to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import islice

from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from sluice.checkpoint.pending import (
    PendingDeletion,
    begin_pending,
    end_pending,
    read_pending,
)
from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.control.hold import hold_lease
from sluice.delta.tables import commit_until_won, equal
from sluice.errors import Condition, FatalError, UsageError
from sluice.options.configured import source_options
from sluice.paths import control_location, join
from sluice.resources.find import (
    Resource,
    deletable,
    foreign,
    list_resources,
    ops_tables,
)
from sluice.resources.folders import overlaps, remove, remove_empty

# As many paths as a message names.
_NAMED = 5
_OF_SCHEMAS = ("_ledger", "_schemas", "_replays")


def delete_pipeline(config: PipelineConfig, *, run_id: str) -> list[Resource]:
    """Delete everything that the pipeline made; return what there still is of it.

    The landing folder and the archive of ``cleanSource`` are never touched. Called
    again after a kill it goes on.

    Raises:
        RetryableError: a query of the pipeline is running.
        FatalError: within what would be deleted lies what is not this pipeline's.
        UsageError: the options of its source, or another pipeline's file, are wrong.
    """
    checkpoint = config.bronze_checkpoint_location
    begun = read_pending(checkpoint, PendingDeletion)
    deletion = begun or _plan(config)
    controls = [control_location(each.checkpoint) for each in config.queries]
    _require_own(config, [*deletion.locations, *controls])
    with ExitStack() as leases:
        for query in config.queries:
            leases.enter_context(
                hold_lease(query.checkpoint, query=query.name, run_id=run_id)
            )
        if begun is None:
            _require_only_own(config)
        begin_pending(checkpoint, deletion)
        for location in deletion.locations:
            remove(location)
        for table in ops_tables(config):
            _delete_rows(table, config.name)
    _finish(config, deletion)
    return list_resources(config)


def _plan(config: PipelineConfig) -> PendingDeletion:
    controls = {control_location(each.checkpoint) for each in config.queries}
    going = [each for each in deletable(config) if each not in controls]
    return PendingDeletion(
        pipeline=config.called, begun_at=datetime.now(UTC), locations=tuple(going)
    )


def _require_only_own(config: PipelineConfig) -> None:
    """Refuse to delete a folder into which others have put files, too."""
    found = sorted(islice(foreign(config), _NAMED + 1))
    if found:
        more = " and more" if found[_NAMED:] else ""
        raise FatalError(
            Condition.DELETION_REFUSED,
            f"pipeline {config.name!r}: {found[:_NAMED]}{more} were not made by it, "
            "and would be deleted with its folders; move them elsewhere, or remove "
            "them by hand",
            {"foreign": found[:_NAMED]},
        )


def _finish(config: PipelineConfig, deletion: PendingDeletion) -> None:
    """Remove the leases, which were just released, and last what forbids a run."""
    bronze, *silver = [each.checkpoint for each in config.queries]
    for checkpoint in silver:
        remove(control_location(checkpoint))
    end_pending(bronze, PendingDeletion)
    remove(control_location(bronze))
    lake = config.ops_location("batches").rpartition("/ops/")[0]
    for location in [*deletion.locations, *map(control_location, [bronze, *silver])]:
        remove_empty(location, up_to=lake)


def _require_own(config: PipelineConfig, locations: list[str]) -> None:
    """Refuse to delete a folder in which something lies that must stay."""
    others = list(_not_ours(config))
    shared = sorted({each for own in locations for each in overlaps(own, others)})
    if shared:
        raise FatalError(
            Condition.DELETION_REFUSED,
            f"pipeline {config.name!r}: {shared} must stay, and would be deleted with "
            f"some of {sorted(locations)}; move what must stay elsewhere, or remove "
            "the rest by hand",
            {"shared": shared},
        )


def _not_ours(config: PipelineConfig) -> Iterator[str]:
    yield config.landing_location
    destination = source_options(config).move_destination
    if destination is not None:
        yield destination
    yield config.ops_location("batches").rpartition("/")[0]
    for path in list_pipelines():
        other = _load(str(path))
        if other.name != config.name:
            yield from [*other.locations, other.reports_location]
            yield from (join(other.schema_location, each) for each in _OF_SCHEMAS)


def _load(path: str) -> PipelineConfig:
    try:
        return load_pipeline(path)
    except UsageError as error:
        raise UsageError(
            error.condition,
            f"{error.message}; until it can be read, it is unknown what is its own, "
            "so nothing is deleted",
            error.context,
        ) from error


def _delete_rows(location: str, pipeline: str) -> None:
    def attempt() -> bool | None:
        try:
            DeltaTable(location).delete(equal(pipeline=pipeline))
        except CommitFailedError:
            return None
        return True

    again = "run the same command again, it goes on"
    commit_until_won(f"table {location!r}", attempt, then=again)
