"""The claims: one row for every micro-batch ever planned, as one chain of ranges.

A driver that plans from a claimed start gets the claimed end, so a start has
one end, always: this is what keeps two drivers, or a checkpoint that was set back,
from writing other files under an old batch id.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import TableNotFoundError

from sluice.delta.tables import append_once, read_table
from sluice.errors import Condition, FatalError
from sluice.model import CHAIN_START, Claim, SeqRange

_TIMESTAMP = pa.timestamp("us", tz="UTC")
CLAIMS_SCHEMA = pa.schema(
    [
        pa.field("start_seq", pa.int64(), nullable=False),
        pa.field("end_seq", pa.int64(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("claimed_at", _TIMESTAMP, nullable=False),
    ]
)


def read_claims(location: str) -> list[Claim]:
    """Return every micro-batch ever planned, in order of its start."""
    return claims_of(read_table(DeltaTable(location)))


def claims_of(rows: pa.Table) -> list[Claim]:
    """Return the claims that rows of the table are, in order of their starts."""
    found = [_claim(row) for row in rows.to_pylist()]
    return sorted(found, key=lambda each: each.range.start)


def read_claimed_up_to(location: str, app_id: str) -> int:
    """Return the end of the last claim; -1 where there is none, or no table."""
    try:
        return find_tail(DeltaTable(location), app_id)
    except TableNotFoundError:
        return CHAIN_START


def read_claimed_end(location: str, start: int) -> int | None:
    """Return the end that was claimed for the micro-batch after ``start``."""
    return _claimed_end(DeltaTable(location), start)


def read_claimed_at(location: str, start: int) -> datetime:
    """Return when the micro-batch after ``start``, which is claimed, was."""
    table = DeltaTable(location)
    found = read_table(table, columns=["claimed_at"], where=f"start_seq = {start}")
    claimed_at: datetime = found["claimed_at"][0].as_py()
    return claimed_at


def try_claim(
    location: str, app_id: str, planned: SeqRange, *, run_id: str
) -> int | None:
    """Claim ``planned``; return the end that holds, None where another came first.

    Raises:
        FatalError: the start is no end of an earlier claim.
    """
    table = DeltaTable(location)
    claimed = _claimed_end(table, planned.start)
    if claimed is not None:
        return claimed
    _require_tail(table, app_id, planned)
    rows = pa.Table.from_pylist([_row(planned, run_id)], schema=CLAIMS_SCHEMA)
    if append_once(table, rows, Transaction(app_id, planned.end)):
        return planned.end
    return None


def _require_tail(table: DeltaTable, app_id: str, planned: SeqRange) -> None:
    tail = find_tail(table, app_id)
    if planned.start != tail:
        raise FatalError(
            Condition.CLAIM_CONFLICT,
            f"claims {table.table_uri!r}: a micro-batch was planned from seq "
            f"{planned.start}, but claims end at {tail}; this checkpoint belongs "
            "to other claims: restore both from one backup, or start a new "
            "checkpoint",
            {"start": planned.start, "tail": tail},
        )


def find_tail(table: DeltaTable, app_id: str) -> int:
    """Return the end of the last claim in an open table, -1 where there is none."""
    newest = table.transaction_version(app_id)
    return CHAIN_START if newest is None else newest


def _claimed_end(table: DeltaTable, start: int) -> int | None:
    found = read_table(table, columns=["end_seq"], where=f"start_seq = {start}")
    return next(iter(found["end_seq"].to_pylist()), None)


def _row(planned: SeqRange, run_id: str) -> dict[str, object]:
    return {
        "start_seq": planned.start,
        "end_seq": planned.end,
        "run_id": run_id,
        "claimed_at": datetime.now(UTC),
    }


def _claim(row: dict[str, object]) -> Claim:
    return Claim(
        SeqRange(int(str(row["start_seq"])), int(str(row["end_seq"]))),
        str(row["run_id"]),
        row["claimed_at"],  # type: ignore[arg-type]  # Arrow gives a datetime
    )
