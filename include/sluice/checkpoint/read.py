"""Read a checkpoint's logs into facts, without Spark and without changing anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import obstore

from sluice import storage
from sluice.checkpoint.offsets import Offset
from sluice.checkpoint.parse import (
    CommitEntry,
    OffsetEntry,
    parse_commit_entry,
    parse_metadata,
    parse_offsets,
)
from sluice.errors import Condition, FatalError
from sluice.paths import is_local, join

_BATCH_FILE = re.compile(r"\d+")
_Entry = TypeVar("_Entry")


@dataclass(frozen=True)
class CheckpointFacts:
    """What the logs of one checkpoint say; Spark keeps about its last 100 batches.

    ``query_id`` is None where the file ``metadata`` is missing while logs exist.
    """

    location: str
    query_id: str | None
    offsets: Mapping[int, OffsetEntry]
    commits: Mapping[int, CommitEntry]

    @property
    def last_planned(self) -> int | None:
        """The newest batch in the offset log."""
        return max(self.offsets, default=None)

    @property
    def last_committed(self) -> int | None:
        """The newest batch in the commit log."""
        return max(self.commits, default=None)

    @property
    def uncommitted(self) -> int | None:
        """The batch that was planned and not committed: Spark runs it again first."""
        planned, committed = self.last_planned, self.last_committed
        if planned is None or (committed is not None and committed >= planned):
            return None
        return planned

    @property
    def next_start(self) -> Offset | None:
        """Where the micro-batch begins that Spark runs next; None at the very start."""
        planned, again = self.last_planned, self.uncommitted
        if planned is None:
            return None
        before = self.offsets.get(planned if again is None else again - 1)
        return before.end if before else None

    def start_offsets(self, batch_id: int) -> tuple[str | None, ...] | None:
        """Return where the batch began: the end offsets of the one before.

        The very first batch begins at no offset, and that of a repaired checkpoint
        where it ends; None where the log of the batch before is gone.
        """
        if batch_id == 0:
            return self._first_start()
        before = self.offsets.get(batch_id - 1)
        return before.offsets if before else None

    def _first_start(self) -> tuple[str | None, ...] | None:
        first = self.offsets.get(0)
        if first is None:
            return None
        return first.offsets if first.adopts else (None,) * len(first.offsets)


def read_checkpoint(location: str) -> CheckpointFacts | None:
    """Read the checkpoint at ``location``, None where no query has left one.

    Raises:
        FatalError: a file of it is damaged, all of which are named, or it has offsets
            that a newer release of Sluice wrote.
    """
    damaged: dict[str, str] = {}
    read = partial(_parse_file, location, damaged)
    query_id = read("metadata", parse_metadata)
    # A query may be running: a batch's offsets are there before its commit, so listing
    # the commits first finds the offsets of each.
    commits = {
        batch: read(f"commits/{batch}", partial(parse_commit_entry, batch))
        for batch in _batches(location, "commits")
    }
    offsets = {
        batch: read(
            f"offsets/{batch}",
            partial(
                parse_offsets,
                batch,
                where=f"micro-batch {batch} of checkpoint {location!r}",
            ),
        )
        for batch in _batches(location, "offsets")
    }
    if damaged:
        raise _unreadable_error(location, damaged)
    if query_id is None and not offsets and not commits:
        return None
    return CheckpointFacts(location, query_id, _present(offsets), _present(commits))


def _batches(location: str, log: str) -> list[int]:
    """Return the batch ids of a log, oldest first, past checksums and drafts."""
    folder = join(location, log)
    if _is_absent(folder):
        return []
    listing = obstore.list_with_delimiter(storage.open_store(folder))
    names = [str(entry["path"]) for entry in listing["objects"]]
    return sorted(int(name) for name in names if _BATCH_FILE.fullmatch(name))


def _parse_file(
    location: str,
    damaged: dict[str, str],
    key: str,
    parse: Callable[[str], _Entry],
) -> _Entry | None:
    content = None if _is_absent(location) else storage.read(location, key)
    if content is None:
        return None
    try:
        return parse(content.decode("utf-8"))
    except ValueError as error:
        damaged[key] = str(error)
        return None


def _present(entries: Mapping[int, _Entry | None]) -> dict[int, _Entry]:
    # A file may be purged by a running query between the listing and the reading.
    return {batch: entry for batch, entry in entries.items() if entry is not None}


def _is_absent(folder: str) -> bool:
    return is_local(folder) and not Path(folder).is_dir()


def _unreadable_error(location: str, damaged: Mapping[str, str]) -> FatalError:
    named = "; ".join(f"{key!r}: {reason}" for key, reason in damaged.items())
    return FatalError(
        Condition.CHECKPOINT_UNREADABLE,
        f"checkpoint {location!r} has damaged files: {named}; "
        "restore these files from a backup of the checkpoint before the next run",
        {"checkpoint": location, "files": sorted(damaged)},
    )
