"""Checks of the rows in quarantine: the table has those that were counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sluice.model import Finding
from sluice.rules.facts import AuditFacts, LedgerFacts
from sluice.rules.file_checks import Reading
from sluice.rules.findings import Code
from sluice.rules.found import finding


def check_quarantine(
    facts: AuditFacts, ledger: LedgerFacts, reading: Reading
) -> Iterator[Finding]:
    """Hold the rows in quarantine, by file, against those that were put there."""
    if facts.quarantine_damage is not None:
        evidence = facts.quarantine_damage
        yield finding(Code.TABLE_UNREADABLE, facts.pipeline, "quarantine", evidence)
        return
    expected: Counter[str | None] = Counter()
    for file in ledger.files:
        expected[file.path] += ledger.set_aside.get(file.seq, 0)
    if expected.total():
        files = [path for path, rows in expected.items() if rows]
        example = f"{files[-1]} ({expected[files[-1]]})"
        evidence = f"{expected.total()} rows of {len(files)} files, as of {example}"
        yield finding(Code.ROWS_QUARANTINED, facts.pipeline, facts.pipeline, evidence)
    unsettled = _unsettled(ledger, reading) | facts.unsettled
    for path in sorted(expected.keys() | facts.quarantine_rows.keys(), key=str):
        rows = facts.quarantine_rows.get(path, 0)
        if rows != expected[path] and path not in unsettled:
            evidence = f"{expected[path]} rows expected, {rows} in quarantine"
            code = Code.QUARANTINE_DIFFERS
            yield finding(code, facts.pipeline, str(path), evidence)


def _unsettled(ledger: LedgerFacts, reading: Reading) -> set[str | None]:
    """Return the files of which it is open what is read, or found elsewhere."""
    return {
        file.path
        for file in ledger.files
        if file.seq > reading.up_to or file.seq in reading.explained
    }
