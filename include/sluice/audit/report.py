"""What an audit comes to: findings, the verdict, and whether that fails a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sluice.errors import ExitCode
from sluice.model import Finding, Severity

_RANK = {Severity.INFO: 1, Severity.WARNING: 2, Severity.ERROR: 3}


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The findings of one audit; ``counts`` says how much each side holds."""

    pipeline: str
    audited_at: datetime
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    fail_on: str = Severity.ERROR.value

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding."""
        severities = (each.severity for each in self.findings)
        return max(severities, key=_RANK.__getitem__, default=None)

    @property
    def verdict(self) -> str:
        """``ok``, ``warning`` or ``error``; what is only worth knowing leaves it ok."""
        if self.worst is None or self.worst is Severity.INFO:
            return "ok"
        return self.worst.value

    @property
    def fails(self) -> bool:
        """Whether the worst finding reaches what fails a run of this pipeline."""
        return (
            self.worst is not None
            and _RANK[self.worst] >= _RANK[Severity(self.fail_on)]
        )

    @property
    def exit_code(self) -> ExitCode:
        """What a job or command that made this audit returns."""
        return ExitCode.DATA if self.fails else ExitCode.DONE

    def to_json(self) -> dict[str, Any]:
        """Return the shape that ``sluice audit --json`` promises."""
        return {
            "verdict": self.verdict,
            "findings": [asdict(each) for each in self.findings],
        }
