"""Why no run may begin: a preflight raises it, an audit lists it, a repair mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sluice.errors import Condition, FatalError
from sluice.model import Finding
from sluice.rules.findings import Code
from sluice.rules.found import finding
from sluice.rules.rule import Mend


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why no run may begin: what was found, what a run would do, and the ways out.

    ``remedy`` names with ``{repair}`` the command that mends it.
    """

    code: Code
    condition: Condition
    query: str
    evidence: str
    harm: str = ""
    remedy: str = ""
    context: Mapping[str, object] = field(default_factory=dict)

    @property
    def mend(self) -> Mend:
        """What a repair replaces."""
        return self.code.value.mend

    def to_error(self, pipeline: str) -> FatalError:
        """Return the error that refuses a run of ``pipeline``."""
        return FatalError(self.condition, self.describe(pipeline), self.context)

    def to_finding(self, pipeline: str) -> Finding:
        """Return what an audit of ``pipeline`` lists."""
        return finding(self.code, pipeline, self.query, self.evidence)

    def describe(self, pipeline: str) -> str:
        """Return the whole of it in one sentence."""
        what = f"{self.evidence}: {self.harm}" if self.harm else self.evidence
        command = f"'sluice checkpoint repair {pipeline}'"
        remedy = self.remedy.replace("{repair}", command)
        return f"{what}; {remedy}" if remedy else what
