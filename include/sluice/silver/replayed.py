"""Windows with rows that a replay replaced, or that came late: computed from bronze.

Silver's stream does not see a replay. Delta's source passes over a commit that removes
rows (``skipChangeCommits``), so a window that was open then is emitted with the rows as
they were. Bronze has the truth at any time, and a closed window is never emitted again:
so each window with rows that came or went is computed from bronze as soon as it is
closed, by the code of the backfill. It does not matter then what the stream knew of it:

- closed before the replay: recomputed right after it;
- open then: the stream emits it later with the old rows, and it is recomputed;
- rows that a commit only added (a file that had been in quarantine): the stream reads
  that commit as any other, drops what is late, and the window is recomputed;
- rows that came late, with ``late_data: repair``: their windows are closed already.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from sluice.delta.log import open_table
from sluice.errors import Condition, SluiceError
from sluice.history.replays import (
    TouchedWindows,
    keep_touched,
    list_touched,
)
from sluice.intervals import Interval, join_intervals
from sluice.silver.backfill import (
    Recomputation,
    Recomputed,
    closed_windows,
    recompute,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)
# What a condition in SQL may hold without slowing its analysis down.
_MAX_INTERVALS = 64
# Another process writes in this moment; or the run that follows is refused as well.
_WAITS = {Condition.COMMIT_CONFLICT, Condition.DEFINITION_CHANGED}


def recompute_replayed(
    config: PipelineConfig, silver: SilverConfig, *, run_id: str
) -> list[str]:
    """Recompute the touched windows that are closed; return what was done.

    May be called at any time and by several processes; the rest is left to the next
    call. Where another process writes the table in this moment, all is.

    Raises:
        FatalError: the table is gone while its stream goes on, or the query failed.
    """
    # Before bronze is read: a replay that is in the list has committed.
    touched = list_touched(config, silver.name)
    closed = closed_windows(config, silver)
    due, rest = _split(touched, silver, closed)
    if not due or open_table(config.silver_location(silver)) is None:
        return []
    joined = tuple(join_intervals(due, at_most=_MAX_INTERVALS))
    reason = " and ".join(sorted({each.reason for each in touched}))
    asked = Recomputation(config, silver, joined, run_id, reason)
    try:
        found = recompute(asked, closed)
    except SluiceError as error:
        if error.condition not in _WAITS:
            raise
        _LOG.warning("silver %s: %s: windows wait: %s", silver.name, reason, error)
        return [f"{reason}: windows of {silver.name!r} wait for the next run: {error}"]
    for each in _left(rest, silver, closed, found):
        keep_touched(config, silver.name, each)
    # Counted as the replay does: once each, however many groups they have.
    count = silver.window.grid.count(join_intervals(due))
    rows = f"{found.windows_replaced} rows"
    return [f"{reason}: {count} windows of {silver.name!r} recomputed, {rows}"]


def _split(
    touched: Sequence[TouchedWindows], silver: SilverConfig, closed: datetime
) -> tuple[list[Interval], list[TouchedWindows]]:
    """Return the windows that are closed, and of each replay those that are not."""
    due: list[Interval] = []
    rest: list[TouchedWindows] = []
    if silver.window.is_session:
        rest = [each for each in touched if each.waits_for(closed)]
        return [span for each in rest for span in each.spans], rest
    for each in touched:
        ready, waiting = silver.window.grid.split_closed(each.spans, closed)
        due += ready
        rest.append(msgspec.structs.replace(each, spans=tuple(waiting)))
    return due, rest


def _left(
    rest: Sequence[TouchedWindows],
    silver: SilverConfig,
    closed: datetime,
    found: Recomputed,
) -> list[TouchedWindows]:
    """Return what is still to be recomputed: sessions, until all near are closed.

    A session that goes on is emitted with the rows that the stream knows, later.
    """
    if not silver.window.is_session:
        return list(rest)

    def is_left(span: Interval) -> bool:
        reach = span.end + silver.window.grid.duration
        return reach > closed or (
            found.open_since is not None and found.open_since <= reach
        )

    return [
        msgspec.structs.replace(
            each,
            spans=tuple(filter(is_left, each.spans)),
            recomputed_up_to=closed,
        )
        for each in rest
    ]
