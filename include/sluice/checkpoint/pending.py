"""What was begun and is not over: kept beside the checkpoint until its last step.

A repair and a deletion change several things, which no storage does at once. What was
decided is written down first. Until it is over no run begins; a repetition goes on
with what is left.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, TypeVar

import msgspec

from sluice import storage
from sluice.errors import Condition
from sluice.paths import control_location
from sluice.versions import FORMAT_VERSION, require_known

Missing = Literal["reread", "skip"]
"""What becomes of files whose rows are gone: read again, or left out for good."""


class _Versioned(msgspec.Struct, frozen=True):
    version: object = None


class Pending(_Versioned, frozen=True, kw_only=True):
    """What a repair and a deletion have in common."""

    key: ClassVar[str]
    condition: ClassVar[Condition]
    called: ClassVar[str]

    begun_at: datetime
    version: int = FORMAT_VERSION


class PendingRepair(Pending, frozen=True, kw_only=True):
    """What a repair decided: nothing of it is decided again when it is resumed.

    ``end`` is the seq that the new bronze checkpoint begins after, None where bronze
    is left as it is; ``silver`` names the tables that are recomputed. ``old_ledger``
    is set where the ledger is rebuilt, the folder of what was left of it; ``end`` is
    then that of the rebuilt one. All this holds for one ``table_version``, which is -1
    where there is no table.
    """

    key = "repair.json"
    condition = Condition.REPAIR_UNFINISHED
    called = "a repair"

    command: str
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

    @property
    def so_far(self) -> str:
        """What it has done, for a message."""
        return f"done are {list(self.done)}"


class PendingDeletion(Pending, frozen=True, kw_only=True):
    """What is deleted: ``locations`` are folders, or prefixes, with all in them."""

    key = "deletion.json"
    condition = Condition.DELETION_UNFINISHED
    called = "its deletion"

    pipeline: str
    locations: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that goes on with it."""
        return f"sluice resources {self.pipeline} --delete"

    @property
    def so_far(self) -> str:
        """What it has done, for a message."""
        return "some of its tables, checkpoints and ledger may be gone"


_Kind = TypeVar("_Kind", PendingRepair, PendingDeletion)


def read_pending(checkpoint: str, kind: type[_Kind]) -> _Kind | None:
    """Return what was begun at ``checkpoint`` and is not over, None where nothing is.

    Raises:
        FatalError: a newer release has begun it.
        msgspec.DecodeError: the file was written by another program.
    """
    content = storage.read(control_location(checkpoint), kind.key)
    if content is None:
        return None
    version = msgspec.json.decode(content, type=_Versioned).version
    require_known(f"{kind.called} that was begun at {checkpoint!r}", version)
    return msgspec.json.decode(content, type=kind)


def begin_pending(
    checkpoint: str, pending: _Kind, *, instead_of: _Kind | None = None
) -> bool:
    """Write down what begins, before its first step; False where one was begun before.

    ``instead_of`` is one that was begun and can no longer be carried out.
    """
    location, content = control_location(checkpoint), msgspec.json.encode(pending)
    found = read_pending(checkpoint, type(pending)) if instead_of else None
    if found is not None and found == instead_of:
        storage.put(location, pending.key, content)
        return True
    return storage.put_if_absent(location, pending.key, content)


def mark_done(checkpoint: str, repair: PendingRepair, step: str) -> PendingRepair:
    """Keep that ``step`` is done, and return the repair so."""
    marked = msgspec.structs.replace(repair, done=(*repair.done, step))
    storage.put(control_location(checkpoint), repair.key, msgspec.json.encode(marked))
    return marked


def end_pending(checkpoint: str, kind: type[Pending]) -> None:
    """Let runs begin again: the last step is done."""
    storage.delete(control_location(checkpoint), kind.key)
