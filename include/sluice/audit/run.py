"""The audit, in order: read the four sides, check, keep the verdict, write the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pyarrow as pa

from sluice import storage
from sluice.audit.counted import keep_counted, read_counted
from sluice.audit.gather import gather_facts, read_query
from sluice.audit.render import render_page
from sluice.audit.report import AuditReport
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError, UsageError
from sluice.history.tables import append_rows
from sluice.pipeline import Query
from sluice.rules.batch_checks import check_query
from sluice.rules.book import PLAIN, PLAIN_WITH_TABLE
from sluice.rules.checks import check_facts
from sluice.rules.facts import AuditFacts
from sluice.visible import visible

PAGE = "audit.html"
AUDITS_SCHEMA = pa.schema(
    [
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("run_id", pa.string()),
        pa.field("audited_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("counts", pa.string(), nullable=False),
        pa.field("findings", pa.string(), nullable=False),
    ]
)


def run_audit(
    config: PipelineConfig, *, run_id: str | None = None, full: bool = False
) -> AuditReport:
    """Audit a pipeline, keep the verdict in ``ops/audits`` and write ``audit.html``.

    Needs no JVM and changes nothing of the pipeline. Damage is a finding, not an error.
    ``run_id`` is the run that the audit belongs to, if it belongs to one. A landed file
    that is as it was at an earlier audit, by size and time, is only counted again in
    a ``full`` audit.
    """
    known = read_counted(config)
    facts = gather_facts(config, {} if full else known)
    keep_counted(config, facts.landing or {}, known)
    report = AuditReport(
        pipeline=config.name,
        audited_at=datetime.now(UTC),
        findings=tuple(check_facts(facts)),
        counts=count_sides(facts),
        fail_on=config.audit.fail_on,
    )
    append_rows(config.ops_location("audits"), AUDITS_SCHEMA, [_row(report, run_id)])
    page = render_page(report).encode("utf-8")
    storage.put(config.reports_location, PAGE, page)
    return report


def audit_checkpoint(location: str, table_location: str | None) -> AuditReport:
    """Audit the checkpoint of any query, against its table where that is named.

    Keeps nothing: what has no pipeline has no place for it.

    Raises:
        UsageError: there is no checkpoint at ``location``.
    """
    name = location.rsplit("/", 1)[-1]
    facts = read_query(Query(name, location, table_location or ""))
    if facts.checkpoint is None and facts.damage is None:
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"{location!r} is no checkpoint: it has none of metadata, offsets, commits",
            {"path": location},
        )
    return AuditReport(
        pipeline=name,
        audited_at=datetime.now(UTC),
        findings=tuple(
            check_query(name, facts, PLAIN_WITH_TABLE if table_location else PLAIN)
        ),
        counts={"batches": len(facts.batches)},
    )


def require_passed(report: AuditReport) -> None:
    """Raise where the worst finding reaches what fails a run of the pipeline.

    Raises:
        FatalError: names every finding that does, with evidence and remedy.
    """
    if not report.fails:
        return
    named = "; ".join(
        visible(f"{each.code} {each.subject}: {each.evidence} (remedy: {each.remedy})")
        for each in report.findings
        if each.severity is report.worst
    )
    raise FatalError(
        Condition.AUDIT_FAILED,
        f"audit of pipeline {report.pipeline!r}: verdict {report.verdict}: {named}",
        {"codes": sorted({each.code for each in report.findings})},
    )


def count_sides(facts: AuditFacts) -> dict[str, int]:
    """Return how much each side holds, for a reader to compare at a glance."""
    landing = (facts.landing or {}).values()
    ledger, bronze = facts.ledger, facts.bronze
    dropped = sum(ledger.dropped.values()) if ledger else 0
    set_aside = sum(facts.quarantine_rows.values())
    return {
        "landed files": len(landing),
        "landed records": sum(file.records or 0 for file in landing),
        "ledger files": len(ledger.files) if ledger else 0,
        "quarantined files": len(ledger.quarantined) if ledger else 0,
        **({"dropped records": dropped} if dropped else {}),
        "bronze batches": sum(each.committed for each in bronze.batches.values()),
        "bronze rows": sum(facts.table_rows.values()),
        **({"rows in quarantine": set_aside} if set_aside else {}),
        "silver batches": sum(
            each.committed for query in facts.silver for each in query.batches.values()
        ),
    }


def _row(report: AuditReport, run_id: str | None) -> dict[str, object]:
    return {
        "pipeline": report.pipeline,
        "run_id": run_id,
        "audited_at": report.audited_at,
        "verdict": report.verdict,
        "counts": json.dumps(report.counts),
        "findings": json.dumps([asdict(each) for each in report.findings]),
    }
