"""A replay, in order: choose, read, commit, note it in the ledger, recompute windows.

A kill before the commit leaves bronze as it was. One after it leaves what is still to
do written down (``sluice.history.replays``), and the next run does it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from sluice.bronze.again import (
    count_dropped_again,
    discard_notes,
    open_notes,
    read_files,
)
from sluice.bronze.settle import keep_set_aside, settle_quarantine
from sluice.bronze.split import in_bronze, in_quarantine
from sluice.bronze.types import require_same_types
from sluice.bronze.violated import explained
from sluice.config import PipelineConfig
from sluice.delta.log import open_table
from sluice.errors import SluiceError
from sluice.history import archive_history, record_step
from sluice.history.replays import STEP, FileRows, ReplayedFiles, finish_replays
from sluice.history.rows import RowCounts
from sluice.ledger.ledger import Ledger
from sluice.model import LedgerFile, StepSummary
from sluice.quality.copies import judge_together
from sluice.quality.count import count_violations
from sluice.replay.commit import Replacement, commit_rows
from sluice.replay.files import ChosenFiles, choose_files, nothing_left_error
from sluice.replay.result import (
    ReplayResult,
    Starts,
    describe_files,
    describe_windows,
)
from sluice.replay.rows import Outgoing, count_by_file, read_outgoing, window_starts
from sluice.replay.select import LeftOutFile, LeftOutReason, Selection
from sluice.rules.require import require_fit, require_nothing_begun
from sluice.silver.backfill import closed_windows
from sluice.silver.replayed import recompute_replayed
from sluice.spark.failures import translated
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Incoming:
    """The rows that the files hold now, kept: parsing them is the longest part.

    ``rows`` go to bronze, ``bad`` to quarantine, as many as ``quarantined`` of a file.
    """

    rows: DataFrame
    bad: DataFrame
    quarantined: Counter[str]
    counts: RowCounts
    starts: Starts
    chosen: ChosenFiles
    dropped: Counter[int]
    violations: Mapping[str, Mapping[str, int]]

    @property
    def files(self) -> tuple[LedgerFile, ...]:
        """The files that could be read."""
        return self.chosen.files

    @property
    def by_file(self) -> tuple[FileRows, ...]:
        """The rows of each of these files."""
        return tuple(
            FileRows(
                seq=file.seq,
                path=file.path,
                rows=self.counts.rows[file.path],
                rescued_rows=self.counts.rescued[file.path],
                dropped_records=self.dropped[file.seq],
                violations=dict(self.violations[file.path]),
                quarantined_rows=self.quarantined[file.path],
            )
            for file in self.files
        )


def run_replay(
    config: PipelineConfig,
    selection: Selection,
    *,
    run_id: str,
    confirmed: Callable[[ReplayResult], bool] = lambda _: True,
) -> ReplayResult:
    """Read files again and replace their rows in bronze, in one commit; silver follows.

    ``confirmed`` is asked when it is known what would change; where it says no, nothing
    does. Running again leaves the same rows. Windows that the stream has yet to emit
    are recomputed by the run that emits them.

    Raises:
        UsageError: no such file is known.
        RetryableError: the files are still being read, or others wrote all the time.
        FatalError: none of the files can be read, the commit failed, or checkpoint,
            ledger and table do not belong together.
    """
    started, replay_id = datetime.now(UTC), uuid4().hex
    require_nothing_begun(config)
    require_fit(config, config.queries[:1])
    finish_replays(config)
    chosen = choose_files(config, selection)
    # Of its own, for what a commit says of itself is a setting of the session.
    conf = storage_conf(config.locations)
    spark = spark_session(f"{config.name}_replay", **conf).newSession()
    settle_quarantine(spark, config)
    with _incoming(spark, config, chosen, replay_id) as incoming:
        paths = [file.path for file in incoming.files]
        outgoing = read_outgoing(spark, config, paths)
        result = _describe(config, run_id, incoming, outgoing)
        if not confirmed(result):
            return result
        replay = ReplayedFiles(
            replay_id=replay_id,
            run_id=run_id,
            at=started,
            after_version=outgoing.version,
            files=incoming.by_file,
            sets_aside=_sets_aside(config, incoming),
        )
        if replay.sets_aside:
            keep_set_aside(config, replay_id, incoming.bad)
        todo = Replacement(spark, config, incoming.rows, incoming.starts, replay)
        commit, outgoing = commit_rows(todo, outgoing)
    result = _describe(config, run_id, incoming, outgoing)
    settle_quarantine(spark, config)
    notes = _follow(config, run_id)
    result = replace(result, table_version=commit.version, notes=notes)
    summary = StepSummary(STEP, run_id, result.counts, result.notes)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return result


@contextmanager
def _incoming(
    spark: SparkSession, config: PipelineConfig, chosen: ChosenFiles, replay_id: str
) -> Iterator[_Incoming]:
    """Read the files, without those that turn out to be unreadable."""
    notes, started = open_notes(config, replay_id), datetime.now(UTC)
    try:
        rows, chosen = _read(spark, config, chosen, notes, started)
        dropped = count_dropped_again(notes)
    finally:
        discard_notes(notes)
    try:
        paths = [file.path for file in chosen.files]
        rules = config.bronze.expectations
        good, bad = in_bronze(rows, rules), in_quarantine(rows, rules, None, None)
        require_same_types(bad.schema, config.quarantine_location)
        yield _Incoming(
            rows=good,
            bad=bad,
            quarantined=count_by_file(bad).rows,
            counts=count_by_file(good),
            starts=window_starts(good, config),
            chosen=chosen,
            dropped=dropped,
            violations=count_violations(rows, config, paths),
        )
    finally:
        rows.unpersist()


def _read(
    spark: SparkSession,
    config: PipelineConfig,
    chosen: ChosenFiles,
    notes: Ledger,
    started: datetime,
) -> tuple[DataFrame, ChosenFiles]:
    while True:
        read = read_files(spark, config, chosen.files, notes, started=started)
        if config.bronze.on_duplicate is not None:
            read.persist()  # rows that are judged together are looked at twice
        rows = judge_together(read, config.bronze.expectations, config).persist()
        try:
            with translated(config.bronze_location):
                rows.count()
                return rows, chosen
        except SluiceError as error:
            rows.unpersist()
            before, chosen = chosen, _without_unreadable(chosen, notes)
            if len(chosen.files) == len(before.files):
                raise explained(spark, config, error, chosen.files) from error
            if not chosen.files:
                raise nothing_left_error(chosen.left_out) from None
        finally:
            read.unpersist()


def _sets_aside(config: PipelineConfig, incoming: _Incoming) -> bool:
    """Return True if rows of the files are in quarantine, or go there."""
    is_there = open_table(config.quarantine_location) is not None
    return is_there or incoming.quarantined.total() > 0


def _without_unreadable(chosen: ChosenFiles, notes: Ledger) -> ChosenFiles:
    unreadable = notes.left_out()
    left_out = [
        LeftOutFile(seq, each.path, LeftOutReason.UNREADABLE, each.error)
        for seq, each in unreadable.items()
        if any(file.seq == seq for file in chosen.files)
    ]
    for each in left_out:
        _LOG.warning("replay goes on without %s", each)
    return ChosenFiles(
        tuple(file for file in chosen.files if file.seq not in unreadable),
        (*chosen.left_out, *left_out),
    )


def _describe(
    config: PipelineConfig, run_id: str, incoming: _Incoming, outgoing: Outgoing
) -> ReplayResult:
    touched = {
        name: starts | outgoing.starts[name] for name, starts in incoming.starts.items()
    }
    closed = {each.name: closed_windows(config, each) for each in config.streamed}
    return ReplayResult(
        run_id=run_id,
        files=describe_files(incoming.by_file, outgoing.rows),
        left_out=incoming.chosen.left_out,
        windows=describe_windows(config, touched, closed),
    )


def _follow(config: PipelineConfig, run_id: str) -> tuple[str, ...]:
    """Do what follows the commit, as far as it can be done now."""
    finish_replays(config)
    archive_history(config)
    notes = [
        note
        for silver in config.streamed
        for note in recompute_replayed(config, silver, run_id=run_id)
    ]
    names = [each.name for each in config.complete]
    names += [each.name for each in config.current]
    if names:
        notes.append(f"replay: tables {names} follow with the next run")
    return tuple(notes)
