"""What became of bronze since a table of current rows was last merged from it.

The table itself says up to which version of bronze it has come: in the transaction of
the merge, under an id that names the definition and bronze's table. So there is nothing
beside it that could be lost, or restored without it. Starts no JVM.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from sluice.columns import PROCESSING_TIME
from sluice.config import CurrentConfig, PipelineConfig
from sluice.delta.log import TableCommit, open_table, read_commits, read_lowest
from sluice.errors import Condition, FatalError
from sluice.history.replays import finish_replays
from sluice.history.rows import names_in_files
from sluice.ledger.events import EventKind, Replayed
from sluice.ledger.ledger import Ledger

if TYPE_CHECKING:
    from deltalake import DeltaTable


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is to be merged of bronze's version ``up_to``.

    - ``has_new``: whether rows were added;
    - ``since``: those were read at this time or later; None where it is not known;
    - ``replayed``: landed files whose rows were replaced;
    - ``rewritten``: rows of any file may have changed.
    """

    app_id: str
    up_to: int
    has_new: bool = True
    since: datetime | None = None
    replayed: tuple[str, ...] = ()
    rewritten: bool = False


def find_changes(config: PipelineConfig, current: CurrentConfig) -> Changes | None:
    """Return what is to be merged, None where there is nothing.

    Raises:
        FatalError: the table was merged by another definition, or from another bronze.
    """
    bronze = open_table(config.bronze_location)
    if bronze is None:
        return None
    app_id, up_to = _app_id(current, bronze), bronze.version()
    merged = _merged_up_to(config, current, app_id)
    if merged is None:
        return Changes(app_id=app_id, up_to=up_to)
    if merged >= up_to:
        return None
    commits = [
        each
        for each in read_commits(config.bronze_location, after=merged)
        if each.version <= up_to
    ]
    if len(commits) < up_to - merged:
        # Log cleanup has taken some, and what they did is not known.
        return Changes(app_id=app_id, up_to=up_to, rewritten=True)
    changed = [each for each in commits if each.data_change and _has_rows(each)]
    return _sum_up(config, changed, app_id, up_to) if changed else None


def merged_version(config: PipelineConfig, current: CurrentConfig) -> int | None:
    """Return up to which version of bronze the table has come, None for none."""
    bronze = open_table(config.bronze_location)
    table = open_table(config.current_location(current))
    if bronze is None or table is None:
        return None
    return table.transaction_version(_app_id(current, bronze))


def _app_id(current: CurrentConfig, bronze: DeltaTable) -> str:
    defined = sha256(current.definition.encode()).hexdigest()[:16]
    return f"sluice-current-{current.name}-{defined}-{bronze.metadata().id}"


def _merged_up_to(
    config: PipelineConfig, current: CurrentConfig, app_id: str
) -> int | None:
    location = config.current_location(current)
    table = open_table(location)
    merged = table.transaction_version(app_id) if table else None
    # One that was made and never merged into is as good as none.
    if table is None or merged is not None or not table.file_uris():
        return merged
    raise FatalError(
        Condition.DEFINITION_CHANGED,
        f"table {location!r} of {current.name!r} was made by other keys, sequence_by, "
        "delete_when or scd_type, from another bronze, or by something else: change "
        "the pipeline file back, give the table another 'name', or move its folder "
        "away to have it computed from bronze again",
        {"table": location},
    )


def _has_rows(commit: TableCommit) -> bool:
    return bool(commit.added or commit.removed)


def _sum_up(
    config: PipelineConfig, changed: Sequence[TableCommit], app_id: str, up_to: int
) -> Changes:
    """Sort commits into what only added rows, and what replaced some.

    Rows that others delete from bronze, to keep it small, stay in the table.
    """
    replacing = [each for each in changed if each.removed]
    replayed = _replayed_files(config, replacing)
    rewriting = [
        each
        for each in replacing
        if each.added and each.operation != "DELETE" and each.version not in replayed
    ]
    appending = [each.version for each in changed if not each.removed]
    return Changes(
        app_id=app_id,
        up_to=up_to,
        has_new=bool(appending),
        since=_earliest(config.bronze_location, appending),
        replayed=tuple(sorted({path for each in replayed.values() for path in each})),
        rewritten=bool(rewriting),
    )


def _replayed_files(
    config: PipelineConfig, commits: Iterable[TableCommit]
) -> dict[int, list[str]]:
    """Return the files of those commits that replays made, by version."""
    versions = {each.version for each in commits}
    if not versions:
        return {}
    # What has committed before bronze was opened is in the ledger behind this.
    finish_replays(config)
    ledger = Ledger.open(config.schema_location)
    found: dict[int, list[str]] = {}
    for event in ledger.events(EventKind.REPLAYED) if ledger else ():
        version = Replayed.of(event.detail).table_version
        if version in versions:
            found.setdefault(version, []).append(event.path)
    return found


def _earliest(location: str, versions: Iterable[int]) -> datetime | None:
    """Return when the first of the rows that commits added was read.

    None also where the log does not say, as of tables with very many columns.
    """
    column = names_in_files(location).get(PROCESSING_TIME, PROCESSING_TIME)
    lowest = [read_lowest(location, version, column) for version in versions]
    if None in lowest:
        return None
    return min((each for times in lowest for each in times or ()), default=None)
