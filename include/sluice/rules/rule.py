"""What every finding of one code has in common."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sluice.model import DataRisk, Severity


class Mend(StrEnum):
    """What a repair replaces to mend a finding."""

    NOTHING = "nothing"
    CHECKPOINT = "checkpoint"
    LEDGER = "ledger"


@dataclass(frozen=True)
class Rule:
    """What holds for every finding of one code; the remedy is a template."""

    severity: Severity
    explanation: str
    remedy: str
    data_risk: DataRisk = DataRisk.NONE
    mend: Mend = Mend.NOTHING
