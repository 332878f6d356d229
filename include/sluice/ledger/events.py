"""What happened to files beyond being discovered and read: rows that only grow.

A file's state is derived from them, from claims and the table's versions; no row of the
ledger is ever changed. Appends never conflict, and one that is made twice after a
crash says the same twice: readers take the newest for each seq and kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import msgspec
import pyarrow as pa

from sluice.delta.log import open_table
from sluice.delta.tables import (
    append_always,
    create_table,
    equal,
    query_table,
    read_table,
)

EVENTS_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("seq", pa.int64()),
        pa.field("path", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
_NEWEST = pa.schema([EVENTS_SCHEMA.field(name) for name in ("seq", "detail", "at")])


class EventKind(StrEnum):
    """What can happen to a file; the names are kept, so they may not change.

    A further one takes a higher format version of the ledger: this release fails on it.
    """

    ARCHIVED = "archived"
    """Moved or deleted by cleanSource; the detail is the JSON of an ``Archived``."""

    REPLAYED = "replayed"
    """Read again by a replay; the detail is the JSON of a ``Replayed``."""


class _Detail(msgspec.Struct, frozen=True):
    """The detail of an event, kept as JSON."""

    @classmethod
    def of(cls, detail: str) -> Self:
        """Return what the detail of an event says."""
        return msgspec.json.decode(detail, type=cls)

    @property
    def detail(self) -> str:
        """What the event says."""
        return msgspec.json.encode(self).decode()


class Archived(_Detail, frozen=True, kw_only=True):
    """How a file was archived: ``mode`` is MOVE or DELETE, ``by`` names who did it.

    ``location`` is where the file was moved to, None for one that was deleted.
    """

    mode: str
    location: str | None
    by: str


class Replayed(_Detail, frozen=True, kw_only=True):
    """The rows that a replay read from a file, and the table version that has them.

    Of the file's records it dropped some that are malformed, and of its rows some went
    to quarantine.
    """

    table_version: int
    rows: int
    rescued_rows: int
    dropped_records: int = 0
    quarantined_rows: int = 0


@dataclass(frozen=True, kw_only=True)
class LedgerEvent:
    """One thing that happened to a file; ``seq`` is None where it has none."""

    kind: EventKind
    seq: int | None
    path: str
    detail: str
    run_id: str
    at: datetime


def append_events(location: str, events: Sequence[LedgerEvent]) -> None:
    """Append ``events`` to the table at ``location``, which is made where absent.

    Raises:
        RetryableError: other writers were faster all the time.
    """
    if not events:
        return
    rows = pa.Table.from_pylist([asdict(each) for each in events], schema=EVENTS_SCHEMA)
    append_always(location, lambda: create_table(location, EVENTS_SCHEMA), rows)


def read_events(location: str, kind: EventKind | None = None) -> list[LedgerEvent]:
    """Return the events of one ``kind``, or all, oldest first."""
    table = open_table(location)
    if table is None:
        return []
    where = "true" if kind is None else equal(kind=kind)
    rows = read_table(table, where=where, order_by="at").to_pylist()
    return [_event(row) for row in rows]


def newest_events(
    location: str, kind: EventKind, *, after: int = 0, up_to: int | None = None
) -> pa.Table:
    """Return ``seq``, ``detail`` and ``at`` of each file's newest event of one kind.

    In order of seq, for files with ``after < seq <= up_to``. There may be as many as
    files, so this makes no object of each.
    """
    table = open_table(location)
    if table is None:
        return _NEWEST.empty_table()
    where = f"{equal(kind=kind)} and seq > {after}"
    if up_to is not None:
        where += f" and seq <= {up_to}"
    ranked = (
        "select seq, detail, at, row_number() over "
        f"(partition by seq order by at desc) as age from t where {where}"
    )
    sql = f"select seq, detail, at from ({ranked}) where age = 1 order by seq"
    return query_table(table, sql).cast(_NEWEST)


def _event(row: dict[str, Any]) -> LedgerEvent:
    return LedgerEvent(**row | {"kind": EventKind(row["kind"])})
