"""What is wrong with a pipeline: what a run refuses, and what an audit would find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from sluice.audit.gather import read_ledger, read_query
from sluice.checkpoint import read_checkpoint
from sluice.config import PipelineConfig, SilverConfig
from sluice.errors import Condition, FatalError
from sluice.history.batches import archived_batches
from sluice.history.queries import Query, list_queries
from sluice.ledger.ledger import Ledger
from sluice.model import Finding, Severity
from sluice.preflight.run import read_up_to
from sluice.rules.batch_checks import check_query, check_ranges
from sluice.rules.consistency import (
    require_bronze_consistent,
    require_silver_consistent,
)
from sluice.rules.findings import Code, Mend
from sluice.versions import is_too_new

_OF_LEDGER = {
    Condition.LEDGER_MISMATCH,
    Condition.LEDGER_REWOUND,
    Condition.LEDGER_UNREADABLE,
}


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

    def told(self) -> list[str]:
        """Return every fault once, bronze's first."""
        silver = (each for found in self.silver.values() for each in found)
        return list(dict.fromkeys([*self.ledger, *self.bronze, *silver]))


def find_faults(config: PipelineConfig) -> Faults:
    """Look at bronze, ledger and silver as a run's preflight and an audit would.

    Raises:
        DeltaError: a table of the ledger or of the pipeline is damaged.
        FatalError: a newer release wrote the ledger or a checkpoint.
    """
    bronze, *silver = list_queries(config)
    found = _faults_of_bronze(config, bronze)
    windows = {
        each.name: _faults_of_silver(config, each, query)
        for each, query in zip(config.silver, silver, strict=True)
    }
    return Faults(bronze=found.bronze, ledger=found.ledger, silver=windows)


def _faults_of_bronze(config: PipelineConfig, bronze: Query) -> Faults:
    try:
        checkpoint = read_checkpoint(config.bronze_checkpoint_location)
        ledger = Ledger.open(config.schema_location)
        require_bronze_consistent(config, checkpoint, ledger)
        read_up_to(checkpoint)
        # Only this reads every row of the ledger.
        findings = list(_findings(config, bronze))
    except FatalError as error:
        if is_too_new(error):
            raise
        told = (error.message,)
        is_of_ledger = error.condition in _OF_LEDGER
        return Faults(ledger=told) if is_of_ledger else Faults(bronze=told)
    return Faults(
        bronze=_told(findings, Mend.CHECKPOINT), ledger=_told(findings, Mend.LEDGER)
    )


def _faults_of_silver(
    config: PipelineConfig, silver: SilverConfig, query: Query
) -> tuple[str, ...]:
    try:
        require_silver_consistent(config, silver)
    except FatalError as error:
        if is_too_new(error):
            raise
        return (error.message,)
    return _told(_findings(config, query), Mend.CHECKPOINT)


def _findings(config: PipelineConfig, query: Query) -> Iterator[Finding]:
    facts = read_query(query, partial(archived_batches, config, query))
    yield from check_query(config.name, facts)
    ledger = read_ledger(config) if query.reads_ledger else None
    if ledger is not None:
        for found, _ in check_ranges(config.name, facts, ledger):
            yield found


def _told(findings: Iterable[Finding], mend: Mend) -> tuple[str, ...]:
    return tuple(
        f"{each.code} {each.subject}: {each.evidence}"
        for each in findings
        if each.severity is Severity.ERROR and Code[each.code].value.mend is mend
    )
