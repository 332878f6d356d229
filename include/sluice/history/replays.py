"""Replays that are not over: what is left to do, kept until its last step is done.

A replay replaces rows of bronze in one Delta commit. After it the ledger is to say so,
and silver's windows are to be computed again, some only when the stream has closed
them. Each of these is written as one object before the commit, with the rows of each
file, and the commit names its replay: so the next run finds out whether there was a
commit, and does what is left. Doing it twice changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sluice import storage
from sluice.delta.log import TableCommit, open_table, read_commits
from sluice.history.violations import keep_replayed
from sluice.intervals import Interval, WindowGrid
from sluice.ledger.events import EventKind, LedgerEvent, Replayed
from sluice.ledger.ledger import Ledger
from sluice.paths import join
from sluice.records import load_records, save_record

if TYPE_CHECKING:
    from sluice.config import PipelineConfig

_LOG = logging.getLogger(__name__)
STEP = "replay"
LATE_ROWS = "late rows"
DRAIN = "drain"
# What is touched by rows that bronze has already, and by no commit that may fail.
_IN_BRONZE = {LATE_ROWS, DRAIN}
_FILES = "bronze"
# No silver table has such a name.
_SET_ASIDE = "_quarantine"
_ROWS = "_rows"
# A replay that has not committed after so long was killed before it could.
_GIVEN_UP_AFTER = timedelta(days=7)


class FileRows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows that a replay read from one file, and how many records it dropped.

    ``violations`` has each rule on rows, and how many of the rows violate it. Those in
    ``quarantined_rows`` go to quarantine and are no ``rows``.
    """

    seq: int
    path: str
    rows: int
    rescued_rows: int
    dropped_records: int = 0
    violations: dict[str, int] = {}
    quarantined_rows: int = 0


class ReplayedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files whose rows a replay replaces in a version above ``after_version``.

    A run that is tried again under its old ``run_id`` is another replay. One that
    ``sets_aside`` replaces rows in quarantine as well, by those that it has kept.
    """

    replay_id: str
    run_id: str
    at: datetime
    after_version: int
    files: tuple[FileRows, ...]
    sets_aside: bool = False


class TouchedWindows(msgspec.Struct, frozen=True, kw_only=True):
    """The windows of one silver table that are not recomputed yet.

    Those of a replay wait for its commit; late rows are in bronze already. Sessions are
    recomputed at each watermark until they are closed, last at ``recomputed_up_to``.
    """

    replay_id: str
    run_id: str
    at: datetime
    after_version: int
    spans: tuple[Interval, ...]
    reason: str = STEP
    recomputed_up_to: datetime | None = None

    def waits_for(self, closed_up_to: datetime) -> bool:
        """Return True if sessions were not recomputed yet up to this watermark."""
        done = self.recomputed_up_to
        is_due = done is None or done < closed_up_to
        return is_due and any(span.start <= closed_up_to for span in self.spans)


_Part = TypeVar("_Part", ReplayedFiles, TouchedWindows)


def begin_replay(
    config: PipelineConfig,
    replay: ReplayedFiles,
    touched: Mapping[str, Sequence[Interval]],
) -> None:
    """Write down what is to follow the commit; ``touched`` is by silver table.

    Called again before another attempt to commit, it replaces what was written.
    """
    _put(config, _FILES, replay)
    if replay.sets_aside:
        _put(config, _SET_ASIDE, replay)
    for silver, spans in touched.items():
        windows = TouchedWindows(
            replay_id=replay.replay_id,
            run_id=replay.run_id,
            at=replay.at,
            after_version=replay.after_version,
            spans=tuple(spans),
        )
        if spans:
            keep_touched(config, silver, windows)
        else:
            storage.delete(_root(config), _key(silver, replay.replay_id))


def abandon_replay(config: PipelineConfig, replay_id: str) -> None:
    """Forget a replay that did not commit and never will."""
    for part in (_FILES, *(silver.name for silver in config.streamed)):
        storage.delete(_root(config), _key(part, replay_id))
    discard_set_aside(config, replay_id)


def finish_replays(config: PipelineConfig) -> list[ReplayedFiles]:
    """Record in the ledger every replay that has committed and is not recorded yet.

    Costs the listing of an empty folder where there is none. A replay that was killed
    after its commit is finished so by whichever run comes next.
    """
    finished = []
    for replay in _read_parts(config, _FILES, ReplayedFiles):
        commit = _commit_of(config, replay)
        ledger = Ledger.open(config.schema_location)
        if commit is None or ledger is None:
            continue
        ledger.append_events(_events(replay, commit))
        keep_replayed(
            config,
            {file.path: file.violations for file in replay.files},
            replay_id=replay.replay_id,
            run_id=replay.run_id,
            table_version=commit.version,
            committed_at=commit.committed_at,
        )
        storage.delete(_root(config), _key(_FILES, replay.replay_id))
        finished.append(replay)
    return finished


def rows_set_aside(config: PipelineConfig, replay_id: str) -> str:
    """Return where the rows of a replay wait that go to quarantine, as Parquet."""
    return join(_root(config), _ROWS, replay_id)


def list_unrecorded(config: PipelineConfig) -> list[ReplayedFiles]:
    """Return the committed replays that the ledger does not know of yet."""
    return _committed(config, _FILES)


def list_set_aside(config: PipelineConfig) -> list[ReplayedFiles]:
    """Return the committed replays whose rows in quarantine are not replaced yet."""
    return _committed(config, _SET_ASIDE)


def is_set_aside(config: PipelineConfig, replay_id: str) -> bool:
    """Return True if the rows that a replay kept may still have to be put in place."""
    return storage.read(_root(config), _key(_SET_ASIDE, replay_id)) is not None


def _committed(config: PipelineConfig, part: str) -> list[ReplayedFiles]:
    found = _read_parts(config, part, ReplayedFiles)
    return [each for each in found if _commit_of(config, each) is not None]


def discard_set_aside(config: PipelineConfig, replay_id: str) -> None:
    """Forget the rows of a replay that are in quarantine, or never will be."""
    # The record first: a process that still finds it has seen all rows.
    storage.delete(_root(config), _key(_SET_ASIDE, replay_id))
    for key in storage.list_keys(_root(config), f"{_ROWS}/{replay_id}"):
        storage.delete(_root(config), key)


def sweep_set_aside(config: PipelineConfig) -> None:
    """Remove rows without a record, of replays that were killed long ago.

    Such a replay had not yet written its record, or had removed it already.
    """
    root = _root(config)
    for key in storage.list_keys(root, _ROWS):
        replay_id = key.split("/")[1]
        status = storage.status(join(root, key))
        if status is None or datetime.now(UTC) - status.modified <= _GIVEN_UP_AFTER:
            continue
        if not is_set_aside(config, replay_id):
            storage.delete(root, key)


def list_touched(config: PipelineConfig, silver: str) -> list[TouchedWindows]:
    """Return the windows that committed replays and late rows left to recompute."""
    return [
        each
        for each in _read_parts(config, silver, TouchedWindows)
        if each.reason in _IN_BRONZE or _commit_of(config, each) is not None
    ]


def has_closed(
    config: PipelineConfig, silver: str, windows: WindowGrid, closed_up_to: datetime
) -> bool:
    """Return True if windows that a replay touched are closed and not recomputed."""
    spans = [span for each in list_touched(config, silver) for span in each.spans]
    closed, _ = windows.split_closed(spans, closed_up_to)
    return bool(closed)


def has_sessions(config: PipelineConfig, silver: str, closed_up_to: datetime) -> bool:
    """Return True if sessions that were touched wait for this watermark."""
    return any(each.waits_for(closed_up_to) for each in list_touched(config, silver))


def keep_touched(config: PipelineConfig, silver: str, touched: TouchedWindows) -> None:
    """Keep the windows that are still left; with none, all is done."""
    if touched.spans:
        _put(config, silver, touched)
    else:
        storage.delete(_root(config), _key(silver, touched.replay_id))


def commit_metadata(config: PipelineConfig, replay: ReplayedFiles) -> str:
    """Return the user metadata of a replay's commit, by which it is found again."""
    return json.dumps(
        {
            "step": STEP,
            "pipeline": config.name,
            "run_id": replay.run_id,
            "replay_id": replay.replay_id,
            "files": len(replay.files),
        }
    )


def find_commit(
    config: PipelineConfig, replay_id: str, *, after: int
) -> TableCommit | None:
    """Return the commit of bronze in which a replay replaced rows, if it did."""
    for commit in read_commits(config.bronze_location, after=after):
        found = commit.described
        if found.get("step") == STEP and found.get("replay_id") == replay_id:
            return commit
    return None


def transaction_id(config: PipelineConfig) -> str:
    """Return the application id under which all replays of a table commit.

    Its version counts them, so of two replays that began on one version of the table
    the second is refused, whatever files they replace.
    """
    return f"sluice-replay-{config.name}"


def _commit_of(
    config: PipelineConfig, part: ReplayedFiles | TouchedWindows
) -> TableCommit | None:
    commit = find_commit(config, part.replay_id, after=part.after_version)
    if commit is None and datetime.now(UTC) - part.at > _GIVEN_UP_AFTER:
        _give_up(config, part)
    return commit


def _give_up(config: PipelineConfig, part: ReplayedFiles | TouchedWindows) -> None:
    commits = read_commits(config.bronze_location, after=part.after_version)
    table = open_table(config.bronze_location)
    newest = table.version() if table else part.after_version
    if len(commits) < newest - part.after_version:
        # Log cleanup has taken commits, and the replay's may have been among them.
        _LOG.warning(
            "replay %r: whether it replaced rows can no longer be seen in the log of "
            "%r; repeat it: 'sluice replay %s'",
            part.run_id,
            config.bronze_location,
            config.called,
        )
    abandon_replay(config, part.replay_id)


def _events(replay: ReplayedFiles, commit: TableCommit) -> list[LedgerEvent]:
    return [
        LedgerEvent(
            kind=EventKind.REPLAYED,
            seq=file.seq,
            path=file.path,
            detail=Replayed(
                table_version=commit.version,
                rows=file.rows,
                rescued_rows=file.rescued_rows,
                dropped_records=file.dropped_records,
                quarantined_rows=file.quarantined_rows,
            ).detail,
            run_id=replay.run_id,
            at=commit.committed_at,
        )
        for file in replay.files
    ]


def _root(config: PipelineConfig) -> str:
    return join(config.schema_location, "_replays")


def _key(part: str, replay_id: str) -> str:
    return f"{part}/{replay_id}.json"


def _put(
    config: PipelineConfig, part: str, content: ReplayedFiles | TouchedWindows
) -> None:
    save_record(_root(config), _key(part, content.replay_id), content)


def _read_parts(config: PipelineConfig, part: str, kind: type[_Part]) -> list[_Part]:
    remedy = "remove it and repeat the replay: 'sluice replay'"
    return load_records(_root(config), kind, folder=part, remedy=remedy)
