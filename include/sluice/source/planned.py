"""What a micro-batch that is planned reads, and where it records what it drops."""

from __future__ import annotations

from sluice.errors import Condition, FatalError
from sluice.ledger.dropped import dropped_root
from sluice.ledger.ledger import Ledger
from sluice.model import CHAIN_START, LedgerFile, SeqRange
from sluice.options.options import CloudFilesOptions
from sluice.reading.dropped import BadRecords, DropBook


def files_to_read(ledger: Ledger, planned: SeqRange) -> list[LedgerFile]:
    """Return the files of a micro-batch, but for those that are left out."""
    files = _require_whole(ledger, planned)
    first = ledger.first_seq() if planned.start == CHAIN_START else 0
    left_out = ledger.left_out()
    return [file for file in files if file.seq > first and file.seq not in left_out]


def open_drop_book(
    ledger: Ledger, planned: SeqRange, options: CloudFilesOptions
) -> DropBook | None:
    """Return where the tasks of a micro-batch record what they drop, None if nowhere.

    It is the same for every attempt at the micro-batch.
    """
    if planned.start == planned.end:
        return None
    kept = None
    if options.bad_records_path is not None:
        at = ledger.claimed_at(planned.start)
        kept = BadRecords.of(options.bad_records_path, at, ledger.ledger_id)
    return DropBook.open(
        dropped_root(ledger.root, planned.end),
        drops=options.drops_malformed,
        run_id=options.run_id,
        bad_records=kept,
    )


def _require_whole(ledger: Ledger, planned: SeqRange) -> list[LedgerFile]:
    """Return the files of a micro-batch; refuse a ledger older than the checkpoint."""
    if planned.start == planned.end:
        return []
    claimed = ledger.claimed_end(planned.start)
    if claimed != planned.end:
        raise FatalError(
            Condition.LEDGER_REWOUND,
            f"the checkpoint planned the files ({planned.start}, {planned.end}], and "
            f"ledger {ledger.root!r} has {claimed} as the end of that micro-batch: it "
            "is older than the checkpoint; restore a backup of it as new as the table",
            {"start": planned.start, "end": planned.end, "claimed": claimed},
        )
    files = ledger.files(after=planned.start, up_to=planned.end)
    expected = planned.end - max(planned.start, 0)
    if len(files) != expected:
        raise FatalError(
            Condition.LEDGER_UNREADABLE,
            f"ledger {ledger.root!r} holds {len(files)} of the "
            f"{expected} files after seq {planned.start}: rows are "
            "missing; restore the ledger from backup",
            {"start": planned.start, "end": planned.end, "found": len(files)},
        )
    return files
