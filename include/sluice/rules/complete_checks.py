"""Checks of silver tables that are computed whole; pure."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.model import Finding
from sluice.rules.facts import AuditFacts, CompleteFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding


def check_complete(facts: AuditFacts) -> Iterator[Finding]:
    """Yield what is wrong with each of them, or that it is behind its source."""
    for name, complete in facts.complete.items():
        for code, evidence in _wrong(complete):
            yield finding(code, facts.pipeline, name, evidence)


def _wrong(complete: CompleteFacts) -> Iterator[tuple[Code, str]]:
    if complete.damage is not None:
        yield Code.TABLE_UNREADABLE, complete.damage
    if complete.unfit is not None:
        yield Code.COMPLETE_WRONG, complete.unfit
    if complete.changed_by is not None:
        yield Code.COMPLETE_WRONG, f"another writer changed it: {complete.changed_by}"
    elif complete.twice.keys:
        examples = "; ".join(complete.twice.examples)
        evidence = f"{complete.twice.keys} windows come twice, such as {examples}"
        yield Code.COMPLETE_WRONG, evidence
    if complete.waits_for is not None:
        evidence = f"{complete.waits_for} has rows that are new or changed since"
        yield Code.COMPLETE_BEHIND, evidence
