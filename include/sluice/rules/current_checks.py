"""Checks of the tables of current rows: the newest row of each key, and once."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.model import DataRisk, Finding
from sluice.rules.facts import AuditFacts, CurrentFacts, Duplicates
from sluice.rules.findings import Code
from sluice.rules.found import finding


def check_current(facts: AuditFacts) -> Iterator[Finding]:
    """Yield what is wrong with each of them."""
    for name, current in facts.current.items():
        if current.damage is not None:
            yield finding(Code.TABLE_UNREADABLE, facts.pipeline, name, current.damage)
        for evidence, risk in _wrong(current):
            yield finding(
                Code.CURRENT_WRONG, facts.pipeline, name, evidence, data_risk=risk
            )


def _wrong(current: CurrentFacts) -> Iterator[tuple[str, DataRisk]]:
    if current.unfit is not None:
        yield current.unfit, DataRisk.NONE
    if current.missing.keys:
        yield (
            _listed("newest rows of bronze are missing", current.missing),
            DataRisk.LOST,
        )
    if current.twice.keys:
        yield _listed("keys have several rows", current.twice), DataRisk.DUPLICATED


def _listed(what: str, found: Duplicates) -> str:
    return f"{found.keys} {what}, such as {'; '.join(found.examples)}"
