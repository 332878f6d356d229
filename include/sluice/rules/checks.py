"""From the facts of four sides to findings; pure, and each cause found once.

A cause that explains others silences them: the files of a micro-batch whose Delta
transaction is missing have no rows, and that is one finding, not a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sluice.model import Finding, Severity
from sluice.rules.batch_checks import check_query, check_ranges
from sluice.rules.book import BRONZE, SILVER, SILVER_ALONE, find_refusal
from sluice.rules.complete_checks import check_complete
from sluice.rules.content_checks import check_contents
from sluice.rules.current_checks import check_current
from sluice.rules.drift_checks import check_drift
from sluice.rules.facts import AuditFacts, LedgerFacts
from sluice.rules.file_checks import Reading, check_files
from sluice.rules.findings import Code
from sluice.rules.found import finding
from sluice.rules.freshness_checks import check_freshness
from sluice.rules.late_checks import check_late
from sluice.rules.quarantine_checks import check_quarantine
from sluice.rules.schema_checks import check_schema

MAX_FINDINGS_PER_CODE = 50
# A file whose rows came twice repeats their keys: that is no finding of its own.
_REPEATS_KEYS = {Code.ROWS_DUPLICATED.name, Code.ROWS_UNEXPECTED.name}
# With these it is pointless to compare any further.
_FOUNDATIONS = {
    Code.CHECKPOINT_LOST,
    Code.CHECKPOINT_UNREADABLE,
    Code.CLAIMS_LOST,
    Code.LEDGER_BEHIND,
    Code.LEDGER_LOST,
    Code.LEDGER_MISMATCH,
    Code.LEDGER_UNREADABLE,
    Code.TABLE_UNREADABLE,
}
_ORDER = [Severity.ERROR, Severity.WARNING, Severity.INFO]


def check_facts(facts: AuditFacts) -> list[Finding]:
    """Return what is wrong, the worst first; of each code no more than fit a page."""
    found = list(_check(facts))
    codes = {each.code for each in found}
    if codes & _REPEATS_KEYS:
        found = [each for each in found if each.code != Code.KEY_DUPLICATED.name]
    found.sort(key=lambda each: _ORDER.index(each.severity))
    return list(_limited(found))


def _check(facts: AuditFacts) -> Iterator[Finding]:
    refusal = find_refusal(facts.bronze)
    # What is wrong with bronze explains that silver has read another one.
    checks = SILVER if refusal is None else SILVER_ALONE
    for query in facts.silver:
        yield from check_query(facts.pipeline, query, checks)
    yield from _check_duplicates(facts)
    yield from check_current(facts)
    yield from check_complete(facts)
    yield from check_late(facts)
    if facts.landing is None:
        evidence = "there is no such folder"
        yield _finding(facts, Code.LANDING_MISSING, facts.landing_location, evidence)
    if refusal is not None and refusal.code in _FOUNDATIONS:
        yield refusal.to_finding(facts.pipeline)
    elif facts.ledger_damage is not None:
        evidence = facts.ledger_damage
        yield _finding(facts, Code.LEDGER_UNREADABLE, facts.pipeline, evidence)
    elif facts.ledger is None:
        yield _finding(facts, Code.NOTHING_YET, facts.pipeline, "no ledger, no rows")
    else:
        yield from _check_bronze(facts, facts.ledger)
        yield from check_freshness(facts, facts.ledger)
        yield from check_drift(facts, facts.ledger)


def _check_bronze(facts: AuditFacts, ledger: LedgerFacts) -> Iterator[Finding]:
    """Check batches first: what they explain is not reported for each file again."""
    reading = Reading.of(facts.bronze, ledger)
    if facts.bronze.taken_back is not None:
        found = facts.table_rows
        reading = reading.explaining(
            each.seq for each in ledger.files if not found.get(each.path)
        )
    yield from check_query(facts.pipeline, facts.bronze, BRONZE)
    for range_finding, seqs in check_ranges(facts.pipeline, facts.bronze, ledger):
        reading = reading.explaining(seqs)
        yield range_finding
    yield from check_files(facts, ledger, reading)
    yield from check_quarantine(facts, ledger, reading)
    yield from check_contents(facts)
    yield from check_schema(facts)


def _check_duplicates(facts: AuditFacts) -> Iterator[Finding]:
    """Yield the keys that come twice; a table that repeats windows is wrong."""
    found = [(Code.KEY_DUPLICATED, "bronze", facts.duplicate_keys)]
    found += [
        (Code.WINDOW_DUPLICATED, table, each)
        for table, each in facts.duplicate_windows.items()
    ]
    for code, table, each in found:
        if each.missing:
            evidence = f"columns {list(each.missing)} are not in the table"
            yield _finding(facts, Code.COLUMN_MISSING, table, evidence)
        if each.keys:
            evidence = f"{each.keys} keys, such as {'; '.join(each.examples)}"
            yield _finding(facts, code, table, evidence)


def _limited(found: Iterable[Finding]) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    last: dict[str, Finding] = {}
    for each in found:
        counts[each.code] = counts.get(each.code, 0) + 1
        last[each.code] = each
        if counts[each.code] <= MAX_FINDINGS_PER_CODE:
            yield each
    for code, count in counts.items():
        if count > MAX_FINDINGS_PER_CODE:
            yield _more(last[code], count - MAX_FINDINGS_PER_CODE)


def _more(like: Finding, count: int) -> Finding:
    return Finding(
        code=like.code,
        severity=like.severity,
        subject=f"{count} more",
        evidence=f"{count} more findings like these",
        explanation=like.explanation,
        remedy=like.remedy,
        data_risk=like.data_risk,
    )


def _finding(facts: AuditFacts, code: Code, subject: str, evidence: str) -> Finding:
    return finding(code, facts.pipeline, subject, evidence)
