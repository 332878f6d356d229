"""Leave out at once what can no longer be read: versions with a newer one in place.

A task would find each of them too, but fails at the first and has the micro-batch
planned again, once for each. What is left out here is recorded as a task records it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sluice import storage
from sluice.delta.tables import query_table
from sluice.ledger.files import FilesSnapshot
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut, QuarantinedFile
from sluice.ledger.verify import what_changed
from sluice.model import LedgerFile


def record_superseded(
    ledger: Ledger, files: Sequence[LedgerFile], *, run_id: str
) -> set[int]:
    """Record those of ``files`` that a newer version has replaced; return their seqs.

    ``files`` are in order of seq. One whose name has a newer row but still is as it was
    discovered is read: it may have been put back.
    """
    if not files:
        return set()
    names = names_used_again(ledger.snapshot(), files[0].seq, files[-1].seq)
    replaced = set()
    for file in files:
        found = storage.status(file.path) if file.seq in names else None
        changed = what_changed(file, found) if found else None
        if changed:
            now, kind = datetime.now(UTC), LeftOut.REPLACED
            record = QuarantinedFile(file.seq, file.path, changed, run_id, now, kind)
            ledger.quarantine(record)
            replaced.add(file.seq)
    return replaced


def names_used_again(snapshot: FilesSnapshot, first: int, last: int) -> set[int]:
    """Return the seqs from ``first`` to ``last`` whose path comes again later."""
    sql = (
        "select distinct old.seq from t as old join t as new on new.path = old.path "
        f"and new.seq > old.seq where old.seq >= {first} and old.seq <= {last} "
        f"and new.seq > {first}"
    )
    return set(query_table(snapshot.table, sql)["seq"].to_pylist())
