"""Which files a replay reads again: pure rules over what the ledger knows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sluice.errors import Condition, UsageError
from sluice.model import FileState
from sluice.options.globs import path_filter


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was asked for; files must meet all that is given.

    ``globs`` are read as by ``path_filter``, ``paths`` are no globs.
    ``since`` and ``until`` bound the time of discovery, the latter exclusively.
    """

    globs: tuple[str, ...] = ()
    paths: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not any((self.globs, self.paths, self.since, self.until)):
            raise UsageError(
                Condition.USAGE,
                "replay: no file is named; expected --files GLOB, or --since and "
                "--until with times such as 2026-01-01T00:00:00Z",
            )
        if self.since and self.until and self.since >= self.until:
            raise UsageError(
                Condition.USAGE,
                f"replay: nothing was discovered from {self.since.isoformat()} to "
                f"{self.until.isoformat()}; expected --since before --until",
            )


class LeftOutReason(StrEnum):
    """Why a file that was asked for is not read again."""

    IN_FLIGHT = "its micro-batch is not in the table yet"
    UNREAD = "it has not been read yet; the next run reads it"
    SKIPPED = "it is never read, as the options of the source say"
    CHANGED = "it was written again and is a new version; the next run reads that"
    GONE = "it is no longer where it landed"
    UNREADABLE = "it cannot be read"

    @property
    def passes(self) -> bool:
        """Whether the same replay may read the file later."""
        return self in {
            LeftOutReason.IN_FLIGHT,
            LeftOutReason.UNREAD,
            LeftOutReason.CHANGED,
        }


@dataclass(frozen=True)
class LeftOutFile:
    """One file that was asked for and is not read again."""

    seq: int
    path: str
    reason: LeftOutReason
    detail: str | None = None

    @property
    def text(self) -> str:
        """What a person reads of it."""
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)

    def __str__(self) -> str:
        """Return the path with the reason."""
        return f"{self.path}: {self.text}"


@dataclass(frozen=True)
class KnownVersion:
    """One row of the ledger, as far as choosing needs it."""

    seq: int
    path: str
    discovered_at: datetime


def matching_paths(
    versions: Iterable[KnownVersion], selection: Selection, landing: str
) -> dict[str, int]:
    """Return the newest seq of each path of which some version was asked for.

    The landing folder holds the newest version of a name and no other, so that is what
    can be read again, whichever was meant.
    """
    newest: dict[str, int] = {}
    wanted: set[str] = set()
    for each in versions:
        newest[each.path] = max(each.seq, newest.get(each.path, 0))
        if _is_in_time(each, selection):
            wanted.add(each.path)
    filters = [path_filter(glob, landing) for glob in selection.globs]
    return {
        path: newest[path] for path in wanted if _is_named(path, selection, filters)
    }


def choose(
    newest: Mapping[str, int],
    states: Mapping[int, FileState],
    *,
    committed_up_to: int,
) -> tuple[list[int], list[LeftOutFile]]:
    """Part the newest version of each path by whether it may be replayed, by seq.

    A file may be when the micro-batch of its range is in the table, its rows with it or
    the file in quarantine: a batch that is still to be written would write its rows a
    second time.
    """
    ready, left_out = [], []
    for path, seq in sorted(newest.items(), key=lambda item: item[1]):
        reason = _reason(seq, states.get(seq), committed_up_to)
        if reason is None:
            ready.append(seq)
        else:
            left_out.append(LeftOutFile(seq, path, reason))
    return ready, left_out


def _reason(
    seq: int, state: FileState | None, committed_up_to: int
) -> LeftOutReason | None:
    if state is FileState.SKIPPED:
        return LeftOutReason.SKIPPED
    if state is FileState.REPLACED:
        return LeftOutReason.CHANGED
    if state in {None, FileState.DISCOVERED}:
        return LeftOutReason.UNREAD
    if state is FileState.IN_FLIGHT or seq > committed_up_to:
        return LeftOutReason.IN_FLIGHT
    return None


def _is_in_time(version: KnownVersion, selection: Selection) -> bool:
    since, until = selection.since, selection.until
    return (since is None or version.discovered_at >= since) and (
        until is None or version.discovered_at < until
    )


def _is_named(
    path: str, selection: Selection, filters: Sequence[Callable[[str], bool]]
) -> bool:
    if selection.paths is not None and path not in selection.paths:
        return False
    return not filters or any(takes(path) for takes in filters)
