"""Before Spark starts: refuse what would lose or duplicate, discover what is new."""

from __future__ import annotations

from dataclasses import dataclass, field

from sluice.checkpoint import CheckpointFacts, DeltaOffset, LedgerOffset
from sluice.checkpoint.watermark import closed_up_to
from sluice.checkpoint.write import give_query_id
from sluice.cleanup.pipeline import require_only_reader
from sluice.config import PipelineConfig, SilverConfig
from sluice.current.changes import find_changes
from sluice.delta.log import open_table, read_commits
from sluice.discovery.moved import require_same_path
from sluice.discovery.run import Discovery, discover
from sluice.errors import Condition, FatalError
from sluice.history import archive_history
from sluice.history.due import find_due
from sluice.history.live import find_live_due
from sluice.history.replays import (
    finish_replays,
    has_closed,
    has_sessions,
    list_set_aside,
)
from sluice.ledger.damage import damage_named, ledger_root
from sluice.ledger.ledger import Ledger
from sluice.options.configured import source_options
from sluice.rules.facts import QueryFacts
from sluice.rules.require import require_fit, require_nothing_begun


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What a run would find to do; ``bronze_batch`` is the last one bronze committed.

    ``bronze_batch`` is -1 before the first. ``discovered_up_to`` is the last seq of
    the run's discovery, ``discovery`` what that did; None if it was made before.
    """

    new_files: int
    new_bytes: int
    bronze_has_work: bool
    silver_has_work: bool
    bronze_batch: int = -1
    discovered_up_to: int = 0
    discovery: Discovery | None = field(default=None, compare=False)

    @property
    def has_work(self) -> bool:
        """Return True if any step has something to do."""
        return self.bronze_has_work or self.silver_has_work


def preflight(
    config: PipelineConfig, *, run_id: str, discovered_up_to: int | None = None
) -> Preflight:
    """Discover new files into the ledger and return which steps have work.

    Reads the checkpoints and the tables' logs, starts no JVM, and may be called as
    often as one likes. With ``discovered_up_to``, the seq at which an earlier
    discovery of this run ended, the landing folder is not listed again.

    Raises:
        FatalError: checkpoint, ledger and table do not belong together.
        UsageError: the landing folder or the options of the source are wrong.
    """
    with damage_named(ledger_root(config.schema_location)):
        return _look(config, run_id, discovered_up_to)


def _look(
    config: PipelineConfig, run_id: str, discovered_up_to: int | None
) -> Preflight:
    require_only_reader(config)
    require_nothing_begun(config)
    archive = open_table(config.ops_location("batches"))
    bronze, *silver = require_fit(config, config.queries, archive)
    checkpoint = bronze.checkpoint
    ledger = bronze.ledger.ledger if bronze.ledger else None
    snapshot = bronze.ledger.snapshot if bronze.ledger else None
    options = source_options(config)
    require_same_path(options, ledger, snapshot)
    _give_query_ids(config)
    ledger = ledger or Ledger.open_or_create(config.schema_location)
    found = None
    if discovered_up_to is None:
        found = discover(ledger, options, run_id=run_id, snapshot=snapshot)
        discovered_up_to = found.high
    first = ledger.first_seq() if options.include_existing else ledger.skip_existing()
    start = max(read_up_to(checkpoint), first)
    waiting = ledger.files(after=start) if discovered_up_to > start else []
    unfinished = checkpoint is not None and checkpoint.uncommitted is not None
    finish_replays(config)
    archive_history(config, batches=archive)
    return Preflight(
        new_files=len(waiting),
        new_bytes=sum(file.size for file in waiting),
        bronze_has_work=bool(waiting) or unfinished or bool(list_set_aside(config)),
        silver_has_work=any(
            _silver_has_work(config, each, facts)
            for each, facts in zip(config.streamed, silver, strict=True)
        )
        or any(_is_due(config, each) for each in config.complete)
        or any(find_changes(config, each) for each in config.current),
        bronze_batch=last_committed(checkpoint),
        discovered_up_to=discovered_up_to,
        discovery=found,
    )


def last_committed(checkpoint: CheckpointFacts | None) -> int:
    """Return the newest batch of the commit log, -1 before the first."""
    if checkpoint is None or checkpoint.last_committed is None:
        return -1
    return checkpoint.last_committed


def read_up_to(checkpoint: CheckpointFacts | None) -> int:
    """Return the seq up to which the files are in committed micro-batches."""
    committed = last_committed(checkpoint)
    if checkpoint is None or committed < 0:
        return 0
    end = checkpoint.offsets[committed].end
    return max(end.seq, 0) if isinstance(end, LedgerOffset) else 0


def _give_query_ids(config: PipelineConfig) -> None:
    """Let all drivers of a query that has not begun yet find one id."""
    for location in [
        config.bronze_checkpoint_location,
        *map(config.silver_checkpoint_location, config.streamed),
    ]:
        give_query_id(location)


def _is_due(config: PipelineConfig, silver: SilverConfig) -> bool:
    """Return True if a table is to be computed whole; its step names what is damaged.

    Nothing goes on from its rows: bronze and the streams need not wait for it.
    """
    try:
        return find_due(config, silver) is not None
    except FatalError as error:
        if error.condition is not Condition.TABLE_UNREADABLE:
            raise
        return True


def _silver_has_work(
    config: PipelineConfig, silver: SilverConfig, facts: QueryFacts
) -> bool:
    checkpoint = facts.checkpoint
    if checkpoint is None or not checkpoint.commits:
        return facts.source is not None
    if checkpoint.uncommitted is not None:
        return True
    if _bronze_has_rows(config, checkpoint, max(checkpoint.offsets)):
        return True
    closed = closed_up_to(checkpoint)
    if find_live_due(config, silver, closed):
        return True
    if silver.window.is_session:
        return has_sessions(config, silver.name, closed)
    return has_closed(config, silver.name, silver.window.grid, closed)


def _bronze_has_rows(
    config: PipelineConfig, checkpoint: CheckpointFacts, batch: int
) -> bool:
    """Return True if bronze has appended rows that no planned batch of silver has read.

    Delta's offset names the version to read next, and the last file of it read. Windows
    that a crash left to be closed are no work: Spark closes them with the next rows.
    """
    end = checkpoint.offsets[batch].end
    if not isinstance(end, DeltaOffset):
        return True
    commits = read_commits(config.bronze_location, after=end.version - 1)
    # Silver passes over commits that remove rows (`skipChangeCommits`).
    return any(
        commit.data_change
        and not commit.removed
        and len(commit.added) > (end.index + 1 if commit.version == end.version else 0)
        for commit in commits
    )
