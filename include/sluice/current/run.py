"""The step of current rows: see what became of bronze, merge it, say what it did."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sluice.control import signals
from sluice.current.changes import Changes, find_changes
from sluice.current.merge import Merge
from sluice.delta.log import TableCommit, open_table, read_commits
from sluice.history import record_step
from sluice.model import StepSummary
from sluice.rules.require import require_nothing_begun
from sluice.spark.commits import commit_over_conflicts
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from sluice.config import CurrentConfig, PipelineConfig

_LOG = logging.getLogger(__name__)
_METRICS = {
    "rows_inserted": "numTargetRowsInserted",
    "rows_updated": "numTargetRowsUpdated",
    "rows_removed": "numTargetRowsDeleted",
}


def run_current_tables(config: PipelineConfig, *, run_id: str) -> Iterator[StepSummary]:
    """Run the tables of current rows one after the other, none after a signal."""
    for current in config.current:
        summary = run_current(config, current, run_id=run_id)
        yield summary
        if summary.stopped:
            return


def run_current(
    config: PipelineConfig, current: CurrentConfig, *, run_id: str
) -> StepSummary:
    """Merge what became of bronze since the last time.

    May be called at any time and by several processes; after a signal it is not begun.
    Of two that merge the same, the
    table takes one.

    Raises:
        UsageError: bronze lacks what the table needs.
        RetryableError: others wrote the table all the time.
        FatalError: the table does not fit to bronze or to its definition, the merge
            failed, or a repair or deletion was begun.
    """
    started = datetime.now(UTC)
    require_nothing_begun(config)
    counts = dict.fromkeys((*_METRICS, "rows_left_out"), 0)
    location = config.current_location(current)

    def merge() -> None:
        changes = find_changes(config, current)
        if changes is not None:
            counts.update(_merge(config, current, changes))

    if not signals.received():
        commit_over_conflicts(location, merge)
    stopped = signals.received() is not None
    summary = StepSummary(current.name, run_id, counts, stopped=stopped)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _merge(
    config: PipelineConfig, current: CurrentConfig, changes: Changes
) -> dict[str, int]:
    _LOG.info("current %s: merging up to version %s", current.name, changes.up_to)
    name = f"{config.name}_{current.name}"
    spark = spark_session(name, **storage_conf(config.locations))
    location = config.current_location(current)
    table = open_table(location)
    before = table.version() if table else -1
    merge = Merge(spark=spark, config=config, current=current, changes=changes)
    left_out = merge.run()
    commit = _find_commit(location, changes, after=before)
    metrics = commit.metrics if commit else {}
    counts = {name: int(metrics.get(each, 0)) for name, each in _METRICS.items()}
    return {**counts, "rows_left_out": left_out}


def _find_commit(location: str, changes: Changes, *, after: int) -> TableCommit | None:
    """Return the commit of a merge; None where another process made it before."""
    wanted = (changes.app_id, changes.up_to)
    commits = read_commits(location, after=after)
    return next((each for each in commits if wanted in each.transactions.items()), None)
