"""Checks of rows by file, where more than the file itself decides their number.

That is so for a name with several versions, and for rows that others deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sluice.model import Finding, LedgerFile
from sluice.rules.facts import AuditFacts, LedgerFacts, Written
from sluice.rules.findings import Code
from sluice.rules.found import finding
from sluice.rules.removals import BEFORE_LOG, Removal

_SHOWN = 3


@dataclass(frozen=True)
class Deleted:
    """Rows of one file that were in the table and were taken out of it since."""

    file: LedgerFile
    written: int
    rows: int
    by: tuple[Removal, ...]


def find_deleted(facts: AuditFacts, ledger: LedgerFacts) -> list[Deleted]:
    """Return the files whose rows were all written, and some of them deleted since.

    Our commits are proof that the rows were there: each file's were counted in the data
    files that the commit added.
    """
    if facts.bronze.taken_back is not None:
        return []
    found = (
        _deleted(facts, ledger, versions)
        for versions in _versions_by_path(ledger).values()
    )
    return [each for each in found if each]


def reported_deleted(pipeline: str, deleted: Sequence[Deleted]) -> Iterator[Finding]:
    """Yield one finding for each set of commits that deleted rows."""
    by_commits: dict[tuple[Removal, ...], list[Deleted]] = {}
    for each in deleted:
        by_commits.setdefault(each.by, []).append(each)
    for commits, files in by_commits.items():
        by = " or ".join(map(str, commits)) or "a commit that the log no longer has"
        rows = sum(each.written - each.rows for each in files)
        examples = ", ".join(
            f"{each.file.path} ({each.rows} of {each.written} left)"
            for each in files[:_SHOWN]
        )
        more = " …" if files[_SHOWN:] else ""
        evidence = f"{by}: {rows} rows of {len(files)} files: {examples}{more}"
        subject = f"bronze version {commits[-1].version}" if commits else "bronze"
        yield finding(Code.ROWS_DELETED, pipeline, subject, evidence)


def check_versions(
    facts: AuditFacts, ledger: LedgerFacts, versions: Sequence[LedgerFile]
) -> Iterator[Finding]:
    """Check the rows of a name that has several versions, in order of seq.

    Of the newest the landing folder says how many there must be; what the earlier ones
    held is gone, and only the commits that wrote them say.
    """
    newest = versions[-1]
    landed = (facts.landing or {}).get(newest.path)
    counts = {each.seq: ledger.written.get(each.seq) for each in versions}
    if landed and landed.size == newest.size and counts[newest.seq]:
        expected = [landed.expected]
    else:
        expected = [_rows(counts[newest.seq])]
    expected += [_rows(counts[each.seq]) for each in versions[:-1]]
    known = [each for each in expected if each is not None]
    rows = facts.table_rows.get(newest.path, 0)
    if len(known) < len(expected) or rows == sum(known):
        return
    code = Code.ROWS_MISSING if rows < sum(known) else Code.ROWS_DUPLICATED
    evidence = f"{len(versions)} versions: {sum(known)} rows expected, {rows} found"
    yield finding(code, facts.pipeline, newest.path, evidence)


def _rows(written: Written | None) -> int | None:
    """Return how many rows a version must have: none before it is read."""
    return written.rows if written else 0


def _versions_by_path(ledger: LedgerFacts) -> Mapping[str, list[LedgerFile]]:
    found: dict[str, list[LedgerFile]] = {}
    for file in ledger.files:
        if file.seq in ledger.written:
            found.setdefault(file.path, []).append(file)
    return found


def _deleted(
    facts: AuditFacts, ledger: LedgerFacts, versions: Sequence[LedgerFile]
) -> Deleted | None:
    newest = versions[-1]
    written = sum(ledger.written[each.seq].rows or 0 for each in versions)
    rows = facts.table_rows.get(newest.path, 0)
    landed = (facts.landing or {}).get(newest.path)
    was_whole = (
        landed is None
        or landed.size != newest.size
        or landed.expected is None
        or (ledger.written[newest.seq].rows or 0) >= landed.expected
    )
    if rows >= written or not was_whole:
        return None
    by = _removed_by(facts, [ledger.written[each.seq].version for each in versions])
    if by is None or any(each.is_restore for each in by):
        return None
    return Deleted(newest, written, rows, by)


def _removed_by(
    facts: AuditFacts, versions: Sequence[int]
) -> tuple[Removal, ...] | None:
    """Return the commits that may have deleted rows of ``versions``, None for none."""
    log_from = facts.bronze.log_from or 0
    known = {each if each >= log_from else BEFORE_LOG for each in versions}
    removals = facts.bronze.removals
    found = {each for version in known for each in removals.get(version, ())}
    if not found and BEFORE_LOG not in known:
        return None
    return tuple(sorted(found))
