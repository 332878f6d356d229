"""Checks of one query: its checkpoint's logs, its ranges, its table's transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluice.checkpoint import CheckpointFacts
from sluice.history.batch import Batch
from sluice.model import CHAIN_START, Finding, SeqRange, Severity
from sluice.pipeline import LandedFiles, TableRows
from sluice.rules.book import Check, find_refusal
from sluice.rules.facts import AuditedQuery, LedgerFacts
from sluice.rules.findings import Code
from sluice.rules.found import finding


def check_query(
    pipeline: str, facts: AuditedQuery, checks: Sequence[Check]
) -> Iterator[Finding]:
    """Check what would refuse a run, and besides each batch that is still known.

    What refuses a run explains the batches that are found for the same reason.
    """
    refusal = find_refusal(facts, checks)
    if refusal is not None:
        yield refusal.to_finding(pipeline)
    checkpoint = facts.checkpoint
    if checkpoint is None or not facts.is_readable:
        return
    for found in _check_batches(pipeline, facts, checkpoint):
        if refusal is None or found.code != refusal.code.name:
            yield found


def _check_batches(
    pipeline: str, facts: AuditedQuery, checkpoint: CheckpointFacts
) -> Iterator[Finding]:
    if checkpoint.query_id is not None and facts.query.table:
        yield from _check_transactions(pipeline, facts)
    yield from _check_offsets(pipeline, facts, checkpoint)
    yield from _check_commits(pipeline, facts, checkpoint)


def check_ranges(
    pipeline: str, facts: AuditedQuery, ledger: LedgerFacts
) -> Iterator[tuple[Finding, range]]:
    """Check that the ranges begin where they must and follow without gap or overlap.

    Where a batch ended is what the checkpoint says; what it read is what was claimed,
    or archived, for its start. Yields with each finding the seqs that it explains.
    """
    name = facts.query.name
    claimed = {each.range.start: each.range.end for each in ledger.claims or ()}
    if claimed and min(claimed) > CHAIN_START:
        evidence = f"the first claimed range begins at seq {min(claimed)}"
        yield finding(Code.RANGE_START, pipeline, name, evidence), range(0)
    if facts.batches and min(facts.batches) > 0:
        evidence = f"the oldest known batch is {min(facts.batches)}"
        yield finding(Code.HISTORY_INCOMPLETE, pipeline, name, evidence), range(0)
    for batch in facts.live:
        executed = _executed(batch, claimed, facts)
        if executed is not None and batch.seq_range is not None:
            yield from _check_end(pipeline, name, batch, executed)


def batches_without_transaction(facts: AuditedQuery) -> Iterator[Batch]:
    """Yield the committed batches with data of which the table has no transaction.

    A batch whose commit lies before the log's beginning has had its own, by the rule
    that the newest transaction is never below an older one.
    """
    archived = {each.batch_id: each.table_version for each in facts.archived}
    for batch in facts.batches.values():
        with_data = batch.start_offsets != batch.end_offsets
        if not batch.committed or not with_data:
            continue
        newest = facts.newest_transaction
        is_beyond = newest is None or batch.batch_id > newest
        version = archived.get(batch.batch_id)
        is_absent = batch.batch_id not in facts.transactions
        if is_beyond or (is_absent and _in_log(version, facts.log_from)):
            yield batch


def _check_offsets(
    pipeline: str, facts: AuditedQuery, checkpoint: CheckpointFacts
) -> Iterator[Finding]:
    name = facts.query.name
    planned = sorted(checkpoint.offsets)
    if planned:
        expected = set(range(planned[0], planned[-1] + 1))
        missing = sorted(expected - set(planned))
        if missing:
            evidence = f"offsets/{missing} are not there, up to {planned[-1]} are"
            yield finding(Code.OFFSETS_MISSING, pipeline, name, evidence)
    if isinstance(facts.query.source, TableRows):
        yield from _check_archived_ends(pipeline, facts)


def _check_archived_ends(pipeline: str, facts: AuditedQuery) -> Iterator[Finding]:
    archived = {each.batch_id: each.end_offsets for each in facts.archived}
    for batch in facts.live:
        before = archived.get(batch.batch_id, batch.end_offsets)
        if before != batch.end_offsets:
            evidence = f"archived {list(before)}, checkpoint {list(batch.end_offsets)}"
            yield _of_batch(Code.OFFSETS_CHANGED, pipeline, facts, batch, evidence)


def _check_commits(
    pipeline: str, facts: AuditedQuery, checkpoint: CheckpointFacts
) -> Iterator[Finding]:
    name = facts.query.name
    newest = checkpoint.last_planned
    is_claimed = isinstance(facts.query.source, LandedFiles)
    # Without claims it is refused.
    if newest is not None and facts.written > newest and is_claimed:
        evidence = f"the table has batch {facts.written}, the checkpoint {newest}"
        yield finding(Code.CHECKPOINT_REWOUND, pipeline, name, evidence)
    for batch in facts.live:
        if not batch.committed:
            is_newest = batch.batch_id == newest
            yield _uncommitted(pipeline, facts, batch, is_newest=is_newest)


def _uncommitted(
    pipeline: str, facts: AuditedQuery, batch: Batch, *, is_newest: bool
) -> Finding:
    """Distinguish a batch in flight from one whose commit file is gone.

    The newest batch with rows in the table may be a crash between two writes, which the
    next run mends; one that has been overtaken has lost its file.
    """
    version = facts.transactions.get(batch.batch_id)
    if is_newest and version is None:
        evidence = "planned, not committed, not in the table"
        return _of_batch(Code.BATCH_UNFINISHED, pipeline, facts, batch, evidence)
    shown = "not known" if version is None else str(version)
    evidence = f"commits/{batch.batch_id} is not there; its table version is {shown}"
    rule = Code.COMMIT_MISSING
    subject = _subject(facts, batch)
    severity = Severity.WARNING if is_newest else None
    return finding(rule, pipeline, subject, evidence, severity=severity)


def _check_transactions(pipeline: str, facts: AuditedQuery) -> Iterator[Finding]:
    for batch in batches_without_transaction(facts):
        evidence = (
            f"committed in the checkpoint; the table's newest transaction of query "
            f"{batch.query_id} is {facts.newest_transaction}"
        )
        yield _of_batch(Code.TRANSACTION_MISSING, pipeline, facts, batch, evidence)


def _in_log(version: int | None, log_from: int | None) -> bool:
    """Return True if a commit must be in the log if it is anywhere."""
    if log_from is None:
        return False
    return log_from == 0 or (version is not None and version >= log_from)


def _executed(
    batch: Batch, claimed: dict[int, int], facts: AuditedQuery
) -> SeqRange | None:
    """Return the files that the batch was given when it ran."""
    within = batch.seq_range
    if within is None or within.start == within.end:
        return None
    if within.start in claimed:
        return SeqRange(within.start, claimed[within.start])
    archived = {each.batch_id: each.seq_range for each in facts.archived}
    return archived.get(batch.batch_id) or within


def _check_end(
    pipeline: str, name: str, batch: Batch, executed: SeqRange
) -> Iterator[tuple[Finding, range]]:
    within = batch.seq_range or executed
    subject = f"{name} batch {batch.batch_id}"
    end = within.end
    if end < within.start or end < executed.end:
        seqs = range(end + 1, max(executed.end, within.start) + 1)
        evidence = (
            f"it read seqs {executed.start + 1}..{executed.end}, and the next batch "
            f"begins after {end}"
        )
        yield finding(Code.RANGE_OVERLAP, pipeline, subject, evidence), seqs
    elif end > executed.end:
        seqs = range(executed.end + 1, end + 1)
        evidence = (
            f"it read seqs {executed.start + 1}..{executed.end}, and the next batch "
            f"begins after {end}"
        )
        yield finding(Code.RANGE_GAP, pipeline, subject, evidence), seqs


def _of_batch(
    code: Code, pipeline: str, facts: AuditedQuery, batch: Batch, evidence: str
) -> Finding:
    return finding(code, pipeline, _subject(facts, batch), evidence)


def _subject(facts: AuditedQuery, batch: Batch) -> str:
    return f"{facts.query.name} batch {batch.batch_id}"
