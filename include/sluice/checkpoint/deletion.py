"""The deletion of a pipeline that was begun: kept beside the checkpoint to its end.

A killed deletion leaves some of what belongs together and not the rest. So what is to
go is written down first: until all of it is gone no run begins, and whoever repeats the
command goes on with it.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from sluice import storage
from sluice.paths import control_location

_KEY = "deletion.json"


class PendingDeletion(msgspec.Struct, frozen=True, kw_only=True):
    """What is deleted: ``locations`` are folders, or prefixes, with all in them."""

    pipeline: str
    begun_at: datetime
    locations: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that goes on with it."""
        return f"sluice resources {self.pipeline} --delete"


def read_deletion(checkpoint: str) -> PendingDeletion | None:
    """Return the deletion that is not over, None where there is none.

    Raises:
        msgspec.DecodeError: the file was written by somebody else.
    """
    content = storage.read(control_location(checkpoint), _KEY)
    return msgspec.json.decode(content, type=PendingDeletion) if content else None


def begin_deletion(checkpoint: str, deletion: PendingDeletion) -> None:
    """Write down what is to go, before the first of it does."""
    content = msgspec.json.encode(deletion)
    storage.put(control_location(checkpoint), _KEY, content)


def end_deletion(checkpoint: str) -> None:
    """Let runs begin again: all is gone."""
    storage.delete(control_location(checkpoint), _KEY)
