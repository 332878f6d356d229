"""Which commits took rows out of a table again, by the data files in its log; pure.

Rows that our own commit added are not lost by us when another writer's DELETE has them
removed. Data files are followed through the log, over OPTIMIZE and rewriting too, so a
commit is named only for rows that lay in a file which it removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sluice.delta.log import TableCommit
from sluice.history import replays, undos

BEFORE_LOG = -1
"""Stands for the versions of which the log has no commit any more."""
_RESTORE = "RESTORE"
# Steps that write again the rows which they remove.
_WRITES_AGAIN = tuple(f'"step": "{step}"' for step in (replays.STEP, undos.STEP))
_SHOWN = 100


@dataclass(frozen=True, order=True)
class Removal:
    """A commit that removed rows; ``condition`` is which, as its log says it."""

    version: int
    operation: str
    condition: str = ""
    at: datetime | None = field(default=None, compare=False)

    @property
    def is_restore(self) -> bool:
        """Whether the table was set back, which is no way to delete some rows."""
        return self.operation == _RESTORE

    def __str__(self) -> str:
        where = f" where {self.condition[:_SHOWN]}" if self.condition else ""
        return f"{self.operation} in version {self.version}{where}"


Removals = Mapping[int, tuple[Removal, ...]]
"""By the version that added rows, the commits that may have removed some of them."""


def find_removals(commits: Iterable[TableCommit]) -> Removals:
    """Return which of ``commits``, oldest first, removed rows of which version.

    Replays and undos write again what they remove, and compaction removes nothing.
    """
    origins: dict[str, frozenset[int]] = {}
    found: dict[int, list[Removal]] = {}
    before = frozenset({BEFORE_LOG})
    for commit in commits:
        touched = frozenset[int]().union(
            *(origins.get(path, before) for path in commit.removed)
        )
        if commit.data_change and commit.removed and not _writes_again(commit):
            for version in touched:
                found.setdefault(version, []).append(_removal(commit))
        added = touched | {commit.version} if commit.data_change else touched
        for file in commit.added:
            # A file that a RESTORE puts back has been there before.
            origins.setdefault(file.path, added)
    return {version: tuple(each) for version, each in found.items()}


def _writes_again(commit: TableCommit) -> bool:
    metadata = commit.user_metadata or ""
    return any(step in metadata for step in _WRITES_AGAIN)


def _removal(commit: TableCommit) -> Removal:
    condition = str(commit.parameters.get("predicate") or "")
    return Removal(
        commit.version, commit.operation, condition.strip('["]'), commit.committed_at
    )
