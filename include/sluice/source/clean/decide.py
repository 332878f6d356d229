"""Decide whether one landed file may be removed: pure, so that each rule is tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sluice.model import LedgerFile
from sluice.source.clean.proof import Doubt, Verdict
from sluice.source.verify import what_changed
from sluice.storage import FileStatus


class Outcome(StrEnum):
    """What cleaning did with a file, or why it stays."""

    CLEANED = "cleaned"
    WAITING = "waiting"
    UNPROVEN = "unproven"
    CHANGED = "changed"
    GONE = "gone"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the file need not be looked at again.

        One that is gone, or another by now, is never again the one that was read.
        """
        return self in {Outcome.CLEANED, Outcome.CHANGED, Outcome.GONE}


@dataclass(frozen=True)
class Stay:
    """A file that is not removed, and why."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one file.

    ``own`` is the verdict of the stream that cleans, None where it is not registered on
    the folder; ``others`` are those of everybody else who reads the file, by name.
    """

    found: FileStatus | None
    own: Verdict | None = None
    others: Mapping[str, Verdict] = field(default_factory=dict)


def stay_of(file: LedgerFile, evidence: Evidence, cutoff: datetime) -> Stay | None:
    """Return why ``file`` stays, None where it may go.

    Its commit must be at ``cutoff`` or before. What somebody else never reads by its
    own options (``includeExistingFiles=false``) does not wait for that consumer.
    """
    if evidence.found is None:
        return Stay(Outcome.GONE, "somebody else has removed it")
    if what_changed(file, evidence.found) is not None:
        return Stay(Outcome.CHANGED, "its name holds another version than was read")
    if evidence.own is None:
        return Stay(Outcome.UNPROVEN, "its own stream is not registered on the folder")
    if isinstance(evidence.own, Doubt):
        return _doubted("its own stream", evidence.own)
    if evidence.own.committed_at > cutoff:
        return Stay(Outcome.WAITING, "its retention has not passed")
    return _doubt_of_others(evidence.others)


def _doubt_of_others(verdicts: Mapping[str, Verdict]) -> Stay | None:
    for name, verdict in verdicts.items():
        if isinstance(verdict, Doubt) and verdict is not Doubt.SKIPPED:
            return _doubted(name, verdict)
    return None


def _doubted(name: str, doubt: Doubt) -> Stay:
    outcome = Outcome.WAITING if doubt.may_pass else Outcome.UNPROVEN
    return Stay(outcome, f"for {name} it {doubt}")
