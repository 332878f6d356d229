"""The options that look at a new file's modification time: pure rules, each counted.

Every listing applies them again, to files that the ledger does not know. Nothing
is recorded of a file that is passed over, so it is found again when a rule changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sluice.model import FileVersion


@dataclass(frozen=True, kw_only=True)
class AgeRules:
    """What ``modifiedAfter``, ``modifiedBefore`` and ``minFileAge`` ask for."""

    modified_after: datetime | None = None
    modified_before: datetime | None = None
    min_age: timedelta | None = None


@dataclass(frozen=True)
class AgeGroups:
    """New files by what the rules say of them."""

    taken: list[FileVersion]
    waiting: list[FileVersion]
    outside: list[FileVersion]


def group_by_age(
    files: Sequence[FileVersion], rules: AgeRules, now: datetime
) -> AgeGroups:
    """Group ``files`` by their modification times; both ends are exclusive, as Spark's.

    A time farther in the future than ``min_age`` is no clock's mistake and says
    nothing of when the file was written: such a file does not wait.
    """
    parts = AgeGroups([], [], [])
    for file in files:
        _part_of(file, rules, now, parts).append(file)
    return parts


def _part_of(
    file: FileVersion, rules: AgeRules, now: datetime, parts: AgeGroups
) -> list[FileVersion]:
    age = now - file.modified
    if rules.modified_after is not None and file.modified <= rules.modified_after:
        return parts.outside
    if rules.modified_before is not None and file.modified >= rules.modified_before:
        return parts.outside
    if rules.min_age is not None and abs(age) < rules.min_age:
        return parts.waiting
    return parts.taken
