"""The values that pass between stages: frozen, without behaviour that needs Spark."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, order=True)
class FileVersion:
    """One landed file as a listing saw it; times are UTC-aware."""

    path: str
    size: int
    modified: datetime
    etag: str | None = None


@dataclass(frozen=True, order=True)
class LedgerFile:
    """One row of the ledger's files table; ``seq`` counts from 1 and never changes.

    ``moved_to`` is where clean-up has put the file, None while it is where it landed.
    """

    seq: int
    path: str
    size: int
    modified: datetime
    etag: str | None = None
    moved_to: str | None = None

    @property
    def location(self) -> str:
        """Where the file's bytes are now."""
        return self.moved_to or self.path


CHAIN_START = -1
"""Where the first micro-batch begins. Files count from 1, so that an empty first batch
has a range of its own, (-1, 0], and is claimed as every other."""


@dataclass(frozen=True, order=True)
class SeqRange:
    """The files with ``start < seq <= end``: what one micro-batch reads."""

    start: int
    end: int


@dataclass(frozen=True)
class Claim:
    """One row of the claims table: a micro-batch that was ever planned."""

    range: SeqRange
    run_id: str
    claimed_at: datetime


class FileState(StrEnum):
    """Where a file is on its way from the landing folder into the table."""

    DISCOVERED = "discovered"
    IN_FLIGHT = "in flight"
    INGESTED = "ingested"
    QUARANTINED = "quarantined"
    REPLACED = "replaced"
    ARCHIVED = "archived"
    SKIPPED = "skipped"


class BatchKind(StrEnum):
    """Why Spark ran a micro-batch."""

    DATA = "data"
    EMPTY = "empty"
    NO_DATA = "no-data"


class Severity(StrEnum):
    """How much a finding matters; also the verdict of an audit, ``info`` being ok."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class DataRisk(StrEnum):
    """What a finding means for the rows."""

    NONE = "none"
    LOST = "lost"
    DUPLICATED = "duplicated"


@dataclass(frozen=True)
class Finding:
    """One thing an audit found, with the evidence and the command that mends it."""

    code: str
    severity: Severity
    subject: str
    evidence: str
    explanation: str
    remedy: str
    data_risk: DataRisk = DataRisk.NONE


@dataclass(frozen=True)
class StepSummary:
    """What one step of a run did, as its job prints it in one JSON line.

    ``stopped``: it was asked to stop, so the steps after it are not begun.
    """

    step: str
    run_id: str
    counts: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stopped: bool = False
