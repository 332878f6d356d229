"""What became of bronze since a table of current rows was last merged from it.

The table itself says up to which version of bronze it has come: in the transaction of
the merge, under an id that names the definition and bronze's table. There is nothing
beside it that could be lost, or restored without it. Starts no JVM and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sluice.columns import PROCESSING_TIME
from sluice.config import CurrentConfig, PipelineConfig
from sluice.delta.log import (
    TableCommit,
    open_table,
    read_commits,
    read_lowest,
)
from sluice.errors import Condition, FatalError
from sluice.history.derived import (
    Derived,
    derived_id,
    describe_derived,
    read_derived,
    require_same_past,
)
from sluice.history.replays import find_commit, list_unrecorded
from sluice.history.rows import names_in_files
from sluice.ledger.events import EventKind, Replayed
from sluice.ledger.ledger import Ledger

_STEP = "current"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to be merged of bronze's version ``up_to``, which was committed ``at``.

    - ``has_new``: whether rows were added;
    - ``since``: those were read at this time or later; None where it is not known;
    - ``replayed``: landed files whose rows were replaced;
    - ``rewritten``: rows of any file may have changed.
    """

    app_id: str
    up_to: int
    at: datetime | None = None
    has_new: bool = True
    since: datetime | None = None
    replayed: tuple[str, ...] = ()
    rewritten: bool = False

    @property
    def replaces(self) -> bool:
        """Whether rows of bronze were replaced, so that a key may have an older one."""
        return bool(self.replayed) or self.rewritten

    @property
    def metadata(self) -> str:
        """What the commit of the merge says of itself, as JSON."""
        return json.dumps(describe_derived(_STEP, self.at))


def find_changes(config: PipelineConfig, current: CurrentConfig) -> Changes | None:
    """Return what is to be merged, None where there is nothing.

    Raises:
        FatalError: the table was merged by another definition, or from another bronze,
            or it or bronze was set back since.
    """
    location = config.bronze_location
    bronze = open_table(location)
    if bronze is None:
        return None
    app_id = derived_id(_STEP, current.definition, bronze)
    up_to = bronze.version()
    merged = _read_merged(config.current_location(current), app_id)
    first = up_to if merged is None else merged.version
    commits = {
        each.version: each
        for each in read_commits(location, after=first - 1)
        if each.version <= up_to
    }
    at = commits[up_to].committed_at if up_to in commits else None
    found = Changes(app_id=app_id, up_to=up_to, at=at)
    if merged is None:
        return found
    require_same_past(config.current_location(current), merged, up_to, commits)
    later = [each for each in commits.values() if each.version > first]
    if len(later) < up_to - first:
        # Log cleanup has taken some, and what they did is not known.
        replayed = _replayed_files(config, set(range(first + 1, up_to + 1)))
        return replace(found, replayed=_sorted_paths(replayed), rewritten=True)
    changed = [each for each in later if each.data_change]
    return _sum_up(config, changed, found) if changed else None


def _read_merged(location: str, app_id: str) -> Derived | None:
    table = open_table(location)
    merged = read_derived(location, table, app_id) if table else None
    # One that was made and never merged into is as good as none.
    if table is None or merged is not None or not table.file_uris():
        return merged
    raise FatalError(
        Condition.DEFINITION_CHANGED,
        f"table {location!r} was made by other merge_keys, sequence_by, "
        "delete_when or scd_type, from another bronze, or by something else: "
        "change the pipeline file back, let it write to another 'table', or move "
        "the folder away to have it computed from bronze again",
        {"table": location},
    )


def _sum_up(
    config: PipelineConfig, changed: Sequence[TableCommit], found: Changes
) -> Changes:
    """Sort commits into what only added rows, and what replaced some.

    Rows that others delete from bronze, to keep it small, stay in the table.
    """
    replacing = {each.version for each in changed if each.removed}
    replayed = _replayed_files(config, replacing) if replacing else {}
    deleting = {each.version for each in changed if each.operation == "DELETE"}
    appending = [each.version for each in changed if each.version not in replacing]
    return replace(
        found,
        has_new=bool(appending),
        since=_earliest(config.bronze_location, appending),
        replayed=_sorted_paths(replayed),
        rewritten=bool(replacing - deleting - set(replayed)),
    )


def _replayed_files(config: PipelineConfig, versions: set[int]) -> dict[int, list[str]]:
    """Return the files of those versions that replays made, by version.

    The ledger has them, or what a replay has left to be entered there.
    """
    ledger = Ledger.open(config.schema_location)
    found: dict[int, list[str]] = {}
    for event in ledger.events(EventKind.REPLAYED) if ledger else ():
        found.setdefault(Replayed.of(event.detail).table_version, []).append(event.path)
    for replay in list_unrecorded(config):
        commit = find_commit(config, replay.replay_id, after=replay.after_version)
        if commit is not None:
            paths = [each.path for each in replay.files]
            found.setdefault(commit.version, []).extend(paths)
    return {version: found[version] for version in versions & found.keys()}


def _sorted_paths(replayed: dict[int, list[str]]) -> tuple[str, ...]:
    return tuple(sorted({path for paths in replayed.values() for path in paths}))


def _earliest(location: str, versions: Iterable[int]) -> datetime | None:
    """Return when the first of the rows that commits added was read.

    None also where the log does not say, as of tables with very many columns.
    """
    column = names_in_files(location).get(PROCESSING_TIME, PROCESSING_TIME)
    lowest = [read_lowest(location, version, column) for version in versions]
    if None in lowest:
        return None
    return min((each for times in lowest for each in times or ()), default=None)
