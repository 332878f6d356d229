"""Whether the table of the open windows of a silver table is as new as that is.

What it was computed from is said by its newest commit. Starts no JVM, writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sluice.delta.log import open_table, read_back, read_commits
from sluice.errors import Condition, FatalError
from sluice.history.derived import derived_id, open_derived
from sluice.history.windows import names_violations

if TYPE_CHECKING:
    from sluice.config import PipelineConfig, SilverConfig

STEP = "live"
_VERSION = "bronze_version"


@dataclass(frozen=True)
class LiveDue:
    """The version of bronze to compute open windows of, and what their commit says."""

    version: int
    said: dict[str, object]


def find_live_due(
    config: PipelineConfig, silver: SilverConfig, closed: datetime
) -> LiveDue | None:
    """Return what is to be computed, None where that was done.

    That is so while no row of bronze is new or changed, and no window was ``closed``.
    Whatever else was done to the table, it is computed again.
    """
    # Each open of a table costs a run with nothing new.
    bronze = open_table(config.bronze_location) if silver.live else None
    if bronze is None:
        return None
    version = bronze.version()
    content = f"{silver.definition} {silver.max_ahead}{_marks(config, silver)}"
    said: dict[str, object] = {
        "step": STEP,
        "of": derived_id(STEP, content, bronze),
        "closed_up_to": closed.isoformat(),
    }
    done = _read_done(config.live_location(silver))
    before = done.pop(_VERSION, None)
    if done == said and isinstance(before, int) and _is_same(config, before, version):
        return None
    return LiveDue(version, {**said, _VERSION: version})


def _marks(config: PipelineConfig, silver: SilverConfig) -> str:
    """Return by which rules windows are marked; nothing where they have no marks."""
    rules = {
        name: each.expect
        for name, each in silver.expectations.items()
        if each.on_violation == "warn"
    }
    has_marks = rules or names_violations(config.silver_location(silver))
    return f" {json.dumps(rules, sort_keys=True)}" if has_marks else ""


def _read_done(location: str) -> dict[str, object]:
    """Return what the newest commit that changed rows says of itself.

    Ours is one also where it found no window, and there was none before. A damaged
    table has nothing: the step that is to write it says so.
    """
    try:
        table = open_derived(location)
        for commit in read_back(location, table.version()) if table else ():
            if commit.data_change or commit.described.get("step") == STEP:
                return dict(commit.described)
    except FatalError as error:
        if error.condition is not Condition.TABLE_UNREADABLE:
            raise
    return {}


def has_live(location: str) -> bool:
    """Return True if a table is one of open windows, as its log says.

    A table of that name may be another one's. What is damaged is none that is known.
    """
    return _read_done(location).get("step") == STEP


def _is_same(config: PipelineConfig, before: int, version: int) -> bool:
    """Return True if bronze has the same rows in two versions, as its log says."""
    if before > version:
        return False
    commits = read_commits(config.bronze_location, after=before)
    later = [each for each in commits if each.version <= version]
    is_known = len(later) == version - before
    return is_known and not any(each.data_change for each in later)
