"""Whether the newest full hour brought as many rows as those before it; pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from statistics import median

from sluice.model import Finding, LedgerFile
from sluice.rules.facts import AuditFacts, DriftFacts, LedgerFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding

_HOUR = timedelta(hours=1)
# Of fewer hours the median says nothing.
_LEAST_HOURS = 3


def check_drift(facts: AuditFacts, ledger: LedgerFacts) -> Iterator[Finding]:
    """Yield a finding if the rows of the newest full hour are not those expected.

    Rows are those of loaded files, by when a file was last changed. What waits to be
    loaded would look like fewer rows, so an hour with such a file is not judged. Nor is
    an hour without files, or compared with: many tables rest at night.
    """
    asked = facts.drift
    if asked is None:
        return
    newest = asked.at.replace(minute=0, second=0, microsecond=0) - _HOUR
    if any(newest <= file.modified < newest + _HOUR for file in _not_loaded(ledger)):
        return
    rows = _rows_by_hour(ledger, asked)
    now = rows.get(0)
    hours = range(1, asked.hours + 1)
    known = [each for ago in hours if (each := rows.get(ago)) is not None]
    if now is None or len(known) < _LEAST_HOURS:
        return
    usual = median(known)
    if asked.at_least * usual <= now <= asked.at_most * usual:
        return
    evidence = (
        f"in the hour from {newest.isoformat(timespec='minutes')} {now} rows landed; "
        f"the median of the {len(known)} hours with files before is {usual:g}, "
        f"of which {asked.at_least:g} to {asked.at_most:g} is expected"
    )
    yield finding(Code.ROWS_DRIFTED, facts.pipeline, facts.bronze.query.table, evidence)


def _not_loaded(ledger: LedgerFacts) -> Iterator[LedgerFile]:
    done = ledger.written.keys() | ledger.quarantined.keys()
    return (file for file in ledger.files if file.seq not in done)


def _rows_by_hour(ledger: LedgerFacts, asked: DriftFacts) -> dict[int, int | None]:
    """Return the rows of each hour with a loaded file; the newest full one is hour 0.

    The others are as many hours before it. None stands for rows that were not counted.
    """
    this_hour = asked.at.replace(minute=0, second=0, microsecond=0)
    rows: dict[int, int | None] = {}
    for file in ledger.files:
        written = ledger.written.get(file.seq)
        if written is not None:
            # Of the hour that runs it is below 0.
            ago = -((file.modified - this_hour) // _HOUR) - 1
            before, more = rows.get(ago, 0), written.rows
            rows[ago] = None if before is None or more is None else before + more
    return rows
