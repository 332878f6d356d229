"""Checks of files: landing folder against ledger, records against rows of the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sluice.ledger.verify import what_changed
from sluice.model import DataRisk, Finding, LedgerFile, SeqRange, Severity
from sluice.paths import is_utf8
from sluice.rules.batch_checks import batches_without_transaction
from sluice.rules.facts import AuditedQuery, AuditFacts, LandedFile, LedgerFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding
from sluice.rules.row_checks import check_versions, find_deleted, reported_deleted
from sluice.storage import FileStatus


@dataclass(frozen=True)
class Reading:
    """Up to which seq files must be in the table, and which are explained already."""

    up_to: int
    explained: frozenset[int] = frozenset()

    @classmethod
    def of(cls, facts: AuditedQuery, ledger: LedgerFacts) -> Reading:
        """Return what must be in the table, by the batches that are over."""
        newest = max(facts.batches, default=-1)
        over = (
            batch.end_seq or 0
            for batch in facts.batches.values()
            if batch.committed
            or batch.batch_id in facts.transactions
            or batch.batch_id != newest
        )
        reading = cls(max(over, default=0))
        for within in _ranges_without_transaction(facts):
            reading = reading.explaining(range(within.start + 1, within.end + 1))
        if (facts.newest_transaction or -1) > newest:
            ends = [each.range.end for each in ledger.claims or ()]
            beyond = range(reading.up_to + 1, max(ends, default=0) + 1)
            reading = reading.explaining(beyond)
        return reading

    def explaining(self, seqs: Iterable[int]) -> Reading:
        """Return this with ``seqs`` explained by a finding of their batch."""
        return replace(self, explained=self.explained | frozenset(seqs))


def check_files(
    facts: AuditFacts, ledger: LedgerFacts, reading: Reading
) -> Iterator[Finding]:
    """Check every file of ledger, landing folder and table against the other two."""
    known = {file.path for file in ledger.files}
    landing = facts.landing or {}
    strangers = set(facts.table_rows) - known - set(landing)
    for path in sorted(strangers, key=str):
        yield _stranger(facts, path)
    yield from _check_repeated(facts.pipeline, ledger)
    if facts.landing is None:
        return
    deleted = find_deleted(facts, ledger)
    yield from reported_deleted(facts.pipeline, deleted)
    gone = {each.file.path for each in deleted}
    reading = reading.explaining(each.seq for each in ledger.files if each.path in gone)
    yield from _find_dropped(facts.pipeline, ledger)
    yield from _check_each(facts, ledger, reading)
    new = [
        each
        for path, each in sorted(landing.items())
        if path not in known and not each.passed_over and is_utf8(path)
    ]
    yield from _check_names(facts.pipeline, landing.values())
    for each in new:
        if _was_missed(each, facts, ledger):
            yield _missed(facts, ledger, each)
    waiting = [each.path for each in new if not _was_missed(each, facts, ledger)]
    known_waiting = list(_waiting(facts, ledger, reading))
    yield from _find_waiting(facts.pipeline, known_waiting, waiting)


def _check_names(pipeline: str, landing: Iterable[LandedFile]) -> Iterator[Finding]:
    for each in landing:
        if not is_utf8(each.path):
            evidence = f"{each.size} bytes, modified {each.modified.isoformat()}"
            yield finding(Code.NAME_NOT_UTF8, pipeline, each.path, evidence)


def _check_each(
    facts: AuditFacts, ledger: LedgerFacts, reading: Reading
) -> Iterator[Finding]:
    repeated = _repeated(ledger)
    for file in ledger.files:
        if file.path not in repeated and file.seq > ledger.first_seq:
            yield from _check_file(facts, ledger, file, reading)
    if not ledger.keeps_versions:
        return
    by_seq = {file.seq: file for file in ledger.files}
    for seqs in repeated.values():
        versions = [by_seq[seq] for seq in seqs if seq not in ledger.quarantined]
        yield from _find_replaced(facts, ledger, versions)
        if versions and reading.explained.isdisjoint(seqs):
            yield from check_versions(facts, ledger, versions)


def _find_dropped(pipeline: str, ledger: LedgerFacts) -> Iterator[Finding]:
    files = [each for each in ledger.files if each.seq in ledger.dropped]
    if files:
        records = sum(ledger.dropped.values())
        example = f"{files[-1].path} ({ledger.dropped[files[-1].seq]})"
        evidence = f"{records} records of {len(files)} files, as of {example}"
        yield finding(Code.RECORDS_DROPPED, pipeline, pipeline, evidence)


def _find_replaced(
    facts: AuditFacts, ledger: LedgerFacts, versions: Iterable[LedgerFile]
) -> Iterator[Finding]:
    for each in versions:
        if each.seq in ledger.replaced:
            evidence = f"seq {each.seq}: {ledger.replaced[each.seq]}"
            yield finding(Code.FILE_REPLACED, facts.pipeline, each.path, evidence)


def _stranger(facts: AuditFacts, path: str | None) -> Finding:
    """Distinguish our rows whose file is unknown from those of another writer."""
    evidence = f"{facts.table_rows[path]} rows"
    if path not in facts.foreign:
        return finding(Code.TABLE_FILE_UNKNOWN, facts.pipeline, str(path), evidence)
    return finding(
        Code.TABLE_FILE_UNKNOWN,
        facts.pipeline,
        str(path),
        f"{evidence}; no micro-batch wrote them: another writer did",
        severity=Severity.INFO,
        data_risk=DataRisk.NONE,
    )


def _ranges_without_transaction(facts: AuditedQuery) -> Iterator[SeqRange]:
    for batch in batches_without_transaction(facts):
        if batch.seq_range:
            yield batch.seq_range


def _check_file(
    facts: AuditFacts, ledger: LedgerFacts, file: LedgerFile, reading: Reading
) -> Iterator[Finding]:
    rows = facts.table_rows.get(file.path, 0)
    landed = (facts.landing or {}).get(file.path)
    is_read = file.seq <= reading.up_to
    if file.seq in ledger.quarantined:
        yield from _check_quarantined(facts, file, ledger.quarantined[file.seq], rows)
    elif file.seq in ledger.replaced:
        yield from _find_replaced(facts, ledger, [file])
    elif landed is not None:
        yield from _check_landed(facts, ledger, file, landed, reading)
    else:
        had_rows = rows > 0 or file.size == 0 or _was_counted(file, ledger)
        if not (is_read and had_rows and file.seq in ledger.archived):
            yield _gone(facts, file, rows, was_read=is_read and had_rows)


def _check_landed(
    facts: AuditFacts,
    ledger: LedgerFacts,
    file: LedgerFile,
    landed: LandedFile,
    reading: Reading,
) -> Iterator[Finding]:
    rows = facts.table_rows.get(file.path, 0)
    is_read = file.seq <= reading.up_to
    resized = landed.size != file.size
    changed = what_changed(file, FileStatus(landed.size, landed.modified, None))
    if changed and ledger.keeps_versions:
        return  # its next version, which discovery finds
    if changed and not _is_replayed(file, landed, rows, ledger):
        grew = is_read and resized and rows < (landed.expected or 0)
        yield _changed(facts, file, landed, changed, rows if grew else None)
        if resized:
            return
    if landed.expected is None:
        evidence = str(landed.error)
        yield finding(Code.FILE_NOT_COUNTED, facts.pipeline, file.path, evidence)
    elif file.seq not in reading.explained:
        expected = landed.expected if is_read else 0
        yield from _check_rows(facts, file, rows, expected, is_read=is_read)


def _was_counted(file: LedgerFile, ledger: LedgerFacts) -> bool:
    written = ledger.written.get(file.seq)
    return written is not None and written.rows is not None


def _is_replayed(
    file: LedgerFile, landed: LandedFile, rows: int, ledger: LedgerFacts
) -> bool:
    """Return True if a changed file was read again since; its rows say if all of it."""
    is_as_long = landed.size == file.size
    return file.seq in ledger.replayed and (is_as_long or rows == landed.expected)


def _changed(
    facts: AuditFacts,
    file: LedgerFile,
    landed: LandedFile,
    evidence: str,
    rows: int | None,
) -> Finding:
    """Return the finding of a changed file; ``rows`` if it grew after it was read."""
    if rows is None:
        return finding(Code.FILE_CHANGED, facts.pipeline, file.path, evidence)
    return finding(
        Code.FILE_CHANGED,
        facts.pipeline,
        file.path,
        f"{evidence}; {landed.records} records, {rows} rows in the table",
        severity=Severity.ERROR,
        data_risk=DataRisk.LOST,
    )


def _check_rows(
    facts: AuditFacts, file: LedgerFile, rows: int, expected: int, *, is_read: bool
) -> Iterator[Finding]:
    if rows == expected:
        return
    code = Code.ROWS_MISSING if rows < expected else Code.ROWS_DUPLICATED
    if not is_read:
        code = Code.ROWS_UNEXPECTED
    evidence = f"seq {file.seq}: {expected} rows expected, {rows} in the table"
    yield finding(code, facts.pipeline, file.path, evidence)


def _check_quarantined(
    facts: AuditFacts, file: LedgerFile, error: str, rows: int
) -> Iterator[Finding]:
    yield finding(Code.FILE_QUARANTINED, facts.pipeline, file.path, error)
    if rows:
        evidence = f"seq {file.seq} is in quarantine, and {rows} rows in the table"
        yield finding(Code.ROWS_UNEXPECTED, facts.pipeline, file.path, evidence)


def _gone(facts: AuditFacts, file: LedgerFile, rows: int, *, was_read: bool) -> Finding:
    """Distinguish a file removed after reading from one that was never read."""
    evidence = f"seq {file.seq}, {file.size} bytes; {rows} rows in the table"
    return finding(
        Code.LEDGER_FILE_GONE,
        facts.pipeline,
        file.path,
        evidence,
        severity=Severity.WARNING if was_read else Severity.ERROR,
        data_risk=DataRisk.NONE if was_read else DataRisk.LOST,
    )


def _was_missed(file: LandedFile, facts: AuditFacts, ledger: LedgerFacts) -> bool:
    """Distinguish a file that a discovery passed over from one that came later."""
    if facts.table_rows.get(file.path):
        return True
    return ledger.looked_at is not None and file.arrived < ledger.looked_at


def _missed(facts: AuditFacts, ledger: LedgerFacts, file: LandedFile) -> Finding:
    rows = facts.table_rows.get(file.path, 0)
    return finding(
        Code.NOT_IN_LEDGER,
        facts.pipeline,
        file.path,
        f"arrived {file.arrived.isoformat()}, last discovery "
        f"{ledger.looked_at.isoformat() if ledger.looked_at else 'not known'}; "
        f"{rows} rows in the table",
        data_risk=DataRisk.DUPLICATED if rows else DataRisk.LOST,
    )


def _check_repeated(pipeline: str, ledger: LedgerFacts) -> Iterator[Finding]:
    if ledger.keeps_versions:
        return
    for path, seqs in _repeated(ledger).items():
        evidence = f"seqs {seqs}"
        yield finding(Code.LEDGER_PATH_DUPLICATED, pipeline, path, evidence)


def _repeated(ledger: LedgerFacts) -> Mapping[str, list[int]]:
    counts = Counter(file.path for file in ledger.files)
    twice = {path for path, count in counts.items() if count > 1}
    found: dict[str, list[int]] = {}
    for file in ledger.files:
        if file.path in twice:
            found.setdefault(file.path, []).append(file.seq)
    return found


def _waiting(facts: AuditFacts, ledger: LedgerFacts, reading: Reading) -> Iterator[str]:
    """Yield the ledger's files that the next batch reads, less those found wrong."""
    repeated = _repeated(ledger)
    for file in ledger.files:
        is_wrong = file.path in repeated or facts.table_rows.get(file.path)
        is_there = file.path in (facts.landing or {})
        is_next = file.seq > max(reading.up_to, ledger.first_seq)
        if is_next and is_there and not is_wrong:
            yield file.path


def _find_waiting(pipeline: str, known: list[str], new: list[str]) -> Iterator[Finding]:
    paths = [*known, *new]
    if paths:
        evidence = f"{len(known)} in the ledger, {len(new)} not discovered yet: "
        evidence += ", ".join(paths[:3]) + (" …" if paths[3:] else "")
        yield finding(Code.FILES_WAITING, pipeline, pipeline, evidence)
