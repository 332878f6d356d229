"""Decide whether one landed file may be removed: pure, so that each rule is tested."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sluice.cleanup.proof import Committed, Unproven
from sluice.ledger.verify import what_changed
from sluice.model import LedgerFile
from sluice.storage import FileStatus


class Outcome(StrEnum):
    """What cleaning did with a file, or why it stays."""

    CLEANED = "cleaned"
    WAITING = "waiting"
    UNPROVEN = "unproven"
    CHANGED = "changed"
    GONE = "gone"
    LINKED = "linked"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the file need not be looked at again.

        A file that is gone or changed is never again the one that was read; where no
        link leads to it any more, another lies there.
        """
        final = {Outcome.CLEANED, Outcome.CHANGED, Outcome.GONE, Outcome.LINKED}
        return self in final


@dataclass(frozen=True)
class Stay:
    """A file that is not removed, and why."""

    outcome: Outcome
    reason: str


def stay_of(
    file: LedgerFile, found: FileStatus | None, committed: Committed, cutoff: datetime
) -> Stay | None:
    """Return why ``file`` stays, None where it may go.

    ``found`` is the file as it is now. It goes if it is the version that was read and
    was committed at ``cutoff`` or before.
    """
    if found is None:
        return Stay(Outcome.GONE, "another process has removed it")
    if what_changed(file, found) is not None:
        return Stay(Outcome.CHANGED, "its name holds another version than was read")
    if isinstance(committed, Unproven):
        outcome = Outcome.WAITING if committed.may_pass else Outcome.UNPROVEN
        return Stay(outcome, str(committed))
    if committed > cutoff:
        return Stay(Outcome.WAITING, "its retention has not passed")
    return None
