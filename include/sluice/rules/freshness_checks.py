"""Whether what is loaded is as new as the pipeline file asks for; pure."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.model import Finding
from sluice.rules.facts import AuditFacts, LedgerFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding


def check_freshness(facts: AuditFacts, ledger: LedgerFacts) -> Iterator[Finding]:
    """Yield a finding if the newest loaded file is older than it may be."""
    asked = facts.freshness
    if asked is None:
        return
    loaded = (file for file in ledger.files if file.seq in ledger.written)
    newest = max(loaded, key=lambda file: file.modified, default=None)
    if newest is None:
        evidence = f"no file is loaded; one of the last {asked.limit} is expected"
    elif asked.at - newest.modified > asked.limit:
        evidence = (
            f"the newest loaded file, {newest.path}, is of "
            f"{newest.modified.isoformat(timespec='seconds')}, and at "
            f"{asked.at.isoformat(timespec='seconds')} may be at most {asked.limit} old"
        )
    else:
        return
    yield finding(Code.DATA_STALE, facts.pipeline, facts.bronze.query.table, evidence)
