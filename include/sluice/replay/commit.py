"""The commit of a replay: tried again where another came first, found where it was."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from sluice.config import PipelineConfig
from sluice.delta.log import TableCommit
from sluice.delta.tables import commit_until_won
from sluice.errors import Condition, RetryableError, SluiceError
from sluice.history.replays import (
    ReplayedFiles,
    abandon_replay,
    begin_replay,
    commit_metadata,
    find_commit,
    transaction_id,
)
from sluice.intervals import Interval
from sluice.replay.result import Starts
from sluice.replay.rows import Outgoing, read_outgoing, replace_rows
from sluice.spark.failures import translated
from sluice.spark.settings import applied

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_DELTA = "spark.databricks.delta"
_LOG = logging.getLogger(__name__)
_ROUNDS = 5


@dataclass(frozen=True)
class Replacement:
    """What is to be committed: ``rows`` of the files of ``replay``, and their windows.

    The session is the replay's own, for what a commit says of itself is a setting.
    """

    spark: SparkSession
    config: PipelineConfig
    rows: DataFrame
    starts: Starts
    replay: ReplayedFiles

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return [file.path for file in self.replay.files]


def commit_rows(
    replacement: Replacement, outgoing: Outgoing
) -> tuple[TableCommit, Outgoing]:
    """Replace the rows; return the commit and what it took out.

    What is to follow is written down first. Where another commit came in between, what
    goes out is looked at again, for it may be other rows now.

    Raises:
        RetryableError: others committed all the time; nothing was changed.
        FatalError: the commit failed; nothing was changed.
    """

    def attempt() -> tuple[TableCommit, Outgoing] | None:
        nonlocal outgoing
        replay = msgspec.structs.replace(
            replacement.replay, after_version=outgoing.version
        )
        begin_replay(replacement.config, replay, _touched(replacement, outgoing))
        if _try(replacement, outgoing):
            commit = find_commit(
                replacement.config, replay.replay_id, after=outgoing.version
            )
            if commit is not None:
                return commit, outgoing
        config, paths = replacement.config, replacement.paths
        outgoing = read_outgoing(replacement.spark, config, paths)
        return None

    what = f"table {replacement.config.bronze_location!r}"
    again = "nothing was replaced, run again"
    try:
        return commit_until_won(what, attempt, rounds=_ROUNDS, then=again)
    except RetryableError as error:
        # Of other errors it is not known whether the rows were replaced.
        if error.condition is Condition.COMMIT_CONFLICT:
            abandon_replay(replacement.config, replacement.replay.replay_id)
        raise


def _try(replacement: Replacement, outgoing: Outgoing) -> bool:
    """Commit once; false where another came first.

    Delta also passes over a commit whose number is taken, without an error.
    """
    config, replay = replacement.config, replacement.replay
    # A MERGE takes what its commit carries from settings.
    carried = {
        f"{_DELTA}.commitInfo.userMetadata": commit_metadata(config, replay),
        f"{_DELTA}.write.txnAppId": transaction_id(config),
        f"{_DELTA}.write.txnVersion": str(outgoing.number),
    }
    try:
        with translated(config.bronze_location), applied(replacement.spark, carried):
            replace_rows(
                replacement.spark, config, replacement.rows, replacement.paths, outgoing
            )
    except RetryableError as error:
        _LOG.info("replay %s: %s", replay.run_id, error)
        return False
    except SluiceError:
        after = outgoing.version
        if find_commit(config, replay.replay_id, after=after) is None:
            abandon_replay(config, replay.replay_id)
        raise
    return True


def _touched(replacement: Replacement, outgoing: Outgoing) -> dict[str, list[Interval]]:
    """Return by silver table the windows with rows that come or go."""
    return {
        silver.name: silver.window.grid.cover(
            replacement.starts[silver.name] | outgoing.starts[silver.name]
        )
        for silver in replacement.config.streamed
    }
