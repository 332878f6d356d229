"""What a repair of a pipeline must replace: by the rules of preflight and audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from sluice.audit.gather import add_history, read_whole_ledger
from sluice.config import PipelineConfig
from sluice.history.batches import archived_batches
from sluice.model import Finding, Severity
from sluice.pipeline import LandedFiles
from sluice.rules.batch_checks import check_query, check_ranges
from sluice.rules.book import find_refusal
from sluice.rules.facts import QueryFacts
from sluice.rules.findings import Code
from sluice.rules.read import read_facts
from sluice.rules.rule import Mend

_Found = list[tuple[Mend, str]]


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Why bronze, its ledger and each silver table need a repair; empty where none."""

    bronze: tuple[str, ...] = ()
    ledger: tuple[str, ...] = ()
    silver: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is anything to mend."""
        return bool(self.bronze or self.ledger or any(self.silver.values()))

    def describe(self) -> list[str]:
        """Return every fault once, bronze's first."""
        silver = (each for found in self.silver.values() for each in found)
        return list(dict.fromkeys([*self.ledger, *self.bronze, *silver]))


def find_faults(config: PipelineConfig) -> Faults:
    """Look at bronze, ledger and silver by the rules of preflight and audit.

    Raises:
        DeltaError: a table of the archive is damaged.
        FatalError: a table of the pipeline is damaged, which no repair mends, or a
            newer release wrote the ledger or a checkpoint.
    """
    bronze, *silver = read_facts(config, config.queries)
    found = _find(config, bronze)
    return Faults(
        bronze=_of(found, Mend.CHECKPOINT),
        ledger=_of(found, Mend.LEDGER),
        silver={
            each.query.name: _of(_find(config, each), Mend.CHECKPOINT)
            for each in silver
        },
    )


def _find(config: PipelineConfig, facts: QueryFacts) -> _Found:
    refusal = find_refusal(facts)
    if refusal is None:
        return _find_by_audit(config, facts)
    if refusal.mend is Mend.NOTHING:
        raise refusal.to_error(config.called)
    return [(refusal.mend, refusal.describe(config.called))]


def _find_by_audit(config: PipelineConfig, facts: QueryFacts) -> _Found:
    """Find what refuses no run; only this reads every row of the ledger."""
    query = add_history(facts, partial(archived_batches, config, facts.query))
    findings = list(check_query(config.called, query, ()))
    found: _Found = []
    if isinstance(facts.query.source, LandedFiles):
        ledger, damage = read_whole_ledger(config)
        if damage is not None:
            found.append((Mend.LEDGER, damage))
        if ledger is not None:
            findings += (each for each, _ in check_ranges(config.called, query, ledger))
    return found + [
        (Code[each.code].value.mend, _describe(each))
        for each in findings
        if each.severity is Severity.ERROR
    ]


def _describe(found: Finding) -> str:
    return f"{found.code} {found.subject}: {found.evidence}"


def _of(found: _Found, mend: Mend) -> tuple[str, ...]:
    return tuple(text for mends, text in found if mends is mend)
