"""A repair that was begun: kept beside the checkpoint until its last step is done.

A repair replaces several things, which no storage does at once. What it decided is
written down first. Until it is over no run begins, and whoever repeats the command goes
on with the very steps that are left.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from sluice import storage
from sluice.paths import control_location

_KEY = "repair.json"
Missing = Literal["reread", "skip"]
"""What becomes of files whose rows are gone: read again, or left out for good."""


class PendingRepair(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair decided: nothing of it is decided anew when it is resumed.

    ``end`` is the seq that the new bronze checkpoint begins after, None where bronze
    is left as it is; ``silver`` names the tables that are computed anew. ``old_ledger``
    is set where the ledger is rebuilt, the folder of what was left of it; ``end`` is
    then that of the rebuilt one. All this holds for one ``table_version``, which is -1
    where there is no table.
    """

    command: str
    begun_at: datetime
    query_id: str
    end: int | None
    conf: dict[str, str]
    silver: tuple[str, ...]
    table_version: int
    old_ledger: str | None = None
    missing: Missing | None = None
    done: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What is added to the name of whatever is moved aside."""
        return f".replaced-{self.begun_at:%Y%m%dT%H%M%S.%fZ}"


def read_pending(checkpoint: str) -> PendingRepair | None:
    """Return the repair of ``checkpoint`` that is not over, None where there is none.

    Raises:
        msgspec.DecodeError: the file was written by somebody else.
    """
    content = storage.read(control_location(checkpoint), _KEY)
    return msgspec.json.decode(content, type=PendingRepair) if content else None


def begin_pending(
    checkpoint: str, repair: PendingRepair, *, instead_of: PendingRepair | None = None
) -> bool:
    """Write down a repair before its first step; False where another was begun.

    ``instead_of`` is one that was begun and can no longer be carried out.
    """
    location, content = control_location(checkpoint), msgspec.json.encode(repair)
    if instead_of is not None and read_pending(checkpoint) == instead_of:
        storage.put(location, _KEY, content)
        return True
    return storage.put_if_absent(location, _KEY, content)


def mark_done(checkpoint: str, repair: PendingRepair, step: str) -> PendingRepair:
    """Keep that ``step`` is done, and return the repair so."""
    marked = msgspec.structs.replace(repair, done=(*repair.done, step))
    storage.put(control_location(checkpoint), _KEY, msgspec.json.encode(marked))
    return marked


def end_pending(checkpoint: str) -> None:
    """Let runs begin again: the last step is done."""
    storage.delete(control_location(checkpoint), _KEY)
