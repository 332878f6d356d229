"""What a silver table that is computed whole has yet to be computed from.

It is asked before Spark starts, by runs and by the audit. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sluice.delta.log import TableCommit, open_table, read_back, read_commits
from sluice.errors import Condition, FatalError
from sluice.history.derived import (
    derived_id,
    describe_derived,
    open_derived,
    read_derived,
    require_same_past,
)

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from sluice.config import PipelineConfig, SilverConfig

STEP = "complete"


@dataclass(frozen=True)
class Due:
    """The version of the source that a table is to be computed from, committed ``at``.

    The time is None where the log no longer has it.
    """

    app_id: str
    up_to: int
    at: datetime | None

    @property
    def said(self) -> dict[str, object]:
        """What the commit says of itself."""
        return describe_derived(STEP, self.at)


def find_due(config: PipelineConfig, silver: SilverConfig) -> Due | None:
    """Return what the table is to be computed from, None where it has all of that.

    That is so while its source has no row that is new or changed since. Another
    definition than that of the rows it has is due at once.

    Raises:
        FatalError: the table is damaged, is not one of ours, or it or its source was
            set back.
    """
    source = open_table(config.source_location(silver))
    if source is None:
        return None
    location, up_to = config.silver_location(silver), source.version()
    table = open_derived(location)
    app_id = derived_id(STEP, silver.content, source)
    if table is not None:
        app_id = _fresh_id(location, table, app_id)
    done = read_derived(location, table, app_id) if table else None
    first = up_to if done is None else done.version
    read = read_commits(config.source_location(silver), after=first - 1)
    commits = {each.version: each for each in read if each.version <= up_to}
    at = commits[up_to].committed_at if up_to in commits else None
    if done is None:
        _require_own(location, table)
        return Due(app_id, up_to, at)
    require_same_past(location, done, up_to, commits)
    later = [each for each in commits.values() if each.version > first]
    # What commits did that log cleanup has taken is not known.
    is_unknown = len(later) < up_to - first
    is_due = is_unknown or any(each.data_change for each in later)
    return Due(app_id, up_to, at) if is_due else None


def find_other_writer(config: PipelineConfig, silver: SilverConfig) -> str | None:
    """Return which commit changed rows behind the newest one of ours, None for none."""
    location = config.silver_location(silver)
    table = open_table(location)
    commits = read_back(location, table.version()) if table else ()
    changed = next((each for each in commits if each.data_change), None)
    if changed is None or _is_own(changed):
        return None
    return f"{changed.operation} in version {changed.version}"


def _fresh_id(location: str, table: DeltaTable, app_id: str) -> str:
    """Return the id of a definition: another one if the rows are of another definition.

    Delta passes over a transaction that the table has, also one from before it was
    computed by another definition in between.
    """
    own = filter(_is_own, read_back(location, table.version()))
    newest = next(own, None)
    if newest is None:
        return app_id
    mine = (each for each in newest.transactions if each.startswith(app_id))
    return next(mine, f"{app_id}-{newest.version}")


def _require_own(location: str, table: DeltaTable | None) -> None:
    """Refuse to write over a table that was never computed whole."""
    if table is None or not table.file_uris():
        return
    if not any(map(_is_own, read_back(location, table.version()))):
        raise FatalError(
            Condition.DEFINITION_CHANGED,
            f"table {location!r} has rows that were not computed as a whole, of "
            "another 'output_mode' or of another writer: change the pipeline file "
            "back, let it write to another 'table', or move the folder away to have "
            "it computed again",
            {"table": location},
        )


def _is_own(commit: TableCommit) -> bool:
    return commit.described.get("step") == STEP
