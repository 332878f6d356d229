"""Whether a consumer has the rows of a file for good: proven, or the doubt named.

For a pipeline the chain is: the ledger's row is the version that lies in the folder, a
committed micro-batch of this ledger read it, its Delta version is archived with the
rows of the file counted, and the table holds just as many now. Of a stream that
somebody starts by hand only the claims are known: Spark plans the micro-batch after
another once that one is in the sink, so a claim proves the one that ends where it
begins.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from sluice import storage
from sluice.deltalog import open_table
from sluice.model import Claim, LedgerFile
from sluice.paths import join
from sluice.source.clean.consumers import Consumer, Reader
from sluice.source.events import EventKind
from sluice.source.ledger import Ledger
from sluice.source.verify import what_changed
from sluice.storage import FileStatus
from sluice.tables import any_of, equal, query_table, read_table

SHARED_KEY = "second_reader.json"
_Row = dict[str, Any]


class Doubt(StrEnum):
    """Why it is not proven that a consumer has the rows of a file."""

    NOT_DISCOVERED = "is not in its ledger yet"
    OTHER_VERSION = "is another version there than in its ledger"
    NOT_COMMITTED = "is in no micro-batch of which the commit is known"
    LEFT_OUT = "is in quarantine or replaced"
    SKIPPED = "is never read by it"
    NOT_COUNTED = "has no rows that were counted"
    ROWS_DIFFER = "has other rows in the table than were committed"
    SHARED = "is read by more than one checkpoint with one ledger"

    @property
    def may_pass(self) -> bool:
        """Whether the next run of the consumer is likely to end it."""
        return self in {Doubt.NOT_DISCOVERED, Doubt.NOT_COMMITTED}


@dataclass(frozen=True)
class Proof:
    """A commit that holds all rows of a file, which has ``seq`` in that ledger."""

    seq: int
    committed_at: datetime


Verdict = Proof | Doubt
Found = Mapping[str, FileStatus]


def newest_rows(ledger: Ledger, paths: Sequence[str]) -> dict[str, LedgerFile]:
    """Return the newest row of the ledger for each of ``paths`` that it knows."""
    table = open_table(join(ledger.root, "files"))
    if table is None or not paths:
        return {}
    columns = ["seq", "path", "size", "modified", "etag"]
    where = any_of("path", paths)
    rows = read_table(table, columns=columns, where=where, order_by="seq").to_pylist()
    return {row["path"]: LedgerFile(**row) for row in rows}


class Prover:
    """Asks one consumer for its proofs; what holds for all files is read once."""

    def __init__(self, reader: Reader, read_up_to: int | None = None) -> None:
        """Ask ``reader``; a stream itself knows how far it is: ``read_up_to``."""
        self._consumer: Consumer = reader.consumer
        self._ledger = reader.ledger
        self._read_up_to = read_up_to

    def prove(self, found: Found) -> dict[str, Verdict]:
        """Return the verdict on each file; ``found`` is what storage says of it now."""
        rows = newest_rows(self._ledger, list(found))
        verdicts: dict[str, Verdict] = dict.fromkeys(found, Doubt.NOT_DISCOVERED)
        same: list[LedgerFile] = []
        for path, row in rows.items():
            verdicts[path] = Doubt.OTHER_VERSION
            if what_changed(row, found[path]) is None:
                same.append(row)
        if same:
            judge = self._by_table if self._consumer.table else self._by_claims
            verdicts |= judge(same)
        return verdicts

    def committed_before(self, moment: datetime) -> int:
        """Return the highest seq whose micro-batch was committed by then, or 0."""
        if self._consumer.table:
            done = self._committed.values()
            ends = [row["end"] for row in done if row["committed_at"] <= moment]
        else:
            ends = [
                before.range.end
                for before, after in zip(self._claims, self._claims[1:], strict=False)
                if after.claimed_at <= moment
            ]
        return max(ends, default=0)

    def _by_claims(self, files: Sequence[LedgerFile]) -> dict[str, Verdict]:
        return {file.path: self._claimed(file.seq) for file in files}

    def _claimed(self, seq: int) -> Verdict:
        if self._is_shared:
            return Doubt.SHARED
        if self._is_skipped(seq):
            return Doubt.SKIPPED
        if seq in self._left_out:
            return Doubt.LEFT_OUT
        ends = [claim.range.end for claim in self._claims]
        position = bisect_left(ends, seq)
        if position + 1 >= len(ends) or not self._has_passed(ends[position]):
            return Doubt.NOT_COMMITTED
        return Proof(seq, self._claims[position + 1].claimed_at)

    def _by_table(self, files: Sequence[LedgerFile]) -> dict[str, Verdict]:
        read = self._batch_files([file.seq for file in files])
        verdicts: dict[str, Verdict] = {}
        expected: dict[str, tuple[Proof, int | None]] = {}
        for file in files:
            claim = self._counted(file, read.get(file.seq))
            if isinstance(claim, Doubt):
                verdicts[file.path] = claim
            else:
                expected[file.path] = claim
        return verdicts | self._hold_against_table(expected)

    def _counted(
        self, file: LedgerFile, row: _Row | None
    ) -> tuple[Proof, int | None] | Doubt:
        """Return the commit that read a file, and how many rows it brought."""
        if file.seq in self._replayed:
            return Proof(file.seq, self._replayed[file.seq]), None
        if self._is_skipped(file.seq):
            return Doubt.SKIPPED
        if file.seq in self._left_out:
            return Doubt.LEFT_OUT
        if row is None:
            return Doubt.NOT_COMMITTED
        if row["rows"] is None or (row["rows"] == 0 and file.size > 0):
            return Doubt.NOT_COUNTED
        return Proof(file.seq, row["committed_at"]), row["rows"]

    def _hold_against_table(
        self, expected: Mapping[str, tuple[Proof, int | None]]
    ) -> dict[str, Verdict]:
        verdicts: dict[str, Verdict] = {}
        days = [proof.committed_at.date() for proof, _ in expected.values()]
        # Whole days of the table are passed over first; where that misses rows, which
        # somebody has moved to another day, all of it is read.
        for narrowed in [_between(min(days), max(days)), "true"] if days else []:
            doubted = [path for path in expected if path not in verdicts]
            now = self._rows_now(doubted, narrowed)
            for path in doubted:
                proof, rows = expected[path]
                if now.get(path, 0) == rows or (rows is None and path in now):
                    verdicts[path] = proof
        return dict.fromkeys(expected, Doubt.ROWS_DIFFER) | verdicts

    def _rows_now(self, paths: Sequence[str], narrowed: str) -> dict[str, int]:
        """Count the rows that the table holds now of each file."""
        table = open_table(self._consumer.table or "")
        if table is None or not paths:
            return {}
        counted = query_table(
            table,
            "select _source_file as path, count(*) as n from t "
            f"where {any_of('_source_file', paths)} and {narrowed} group by 1",
        )
        return {row["path"]: row["n"] for row in counted.to_pylist()}

    def _batch_files(self, seqs: Sequence[int]) -> dict[int, _Row]:
        """Return what committed micro-batches of this ledger read, by seq."""
        where = f"{equal(pipeline=self._consumer.pipeline)} and {any_of('seq', seqs)}"
        columns = ["query_id", "batch_id", "seq", "rows"]
        found = {}
        for row in self._read_ops("batch_files", columns, where):
            batch = self._committed.get((row["query_id"], row["batch_id"]))
            if batch is not None:
                found[row["seq"]] = row | batch
        return found

    @cached_property
    def _committed(self) -> dict[tuple[str, int], _Row]:
        """The micro-batches over this ledger whose Delta version is known."""
        where = equal(pipeline=self._consumer.pipeline, query="bronze")
        where += " and table_version is not null and committed_at is not null"
        columns = ["query_id", "batch_id", "end_offsets", "committed_at"]
        found = {}
        for row in self._read_ops("batches", columns, where):
            offset = json.loads(json.loads(row["end_offsets"])[0] or "{}")
            if offset.get("ledger") == self._ledger.ledger_id:
                key = row["query_id"], row["batch_id"]
                found[key] = {
                    "committed_at": row["committed_at"],
                    "end": int(offset["seq"]),
                }
        return found

    def _read_ops(self, name: str, columns: Sequence[str], where: str) -> list[_Row]:
        table = open_table(join(self._consumer.ops or "", name))
        if table is None:
            return []
        rows: list[_Row] = read_table(table, columns=columns, where=where).to_pylist()
        return rows

    @cached_property
    def _claims(self) -> list[Claim]:
        return self._ledger.claims()

    def _has_passed(self, end: int) -> bool:
        return self._read_up_to is None or end <= self._read_up_to

    @cached_property
    def _is_shared(self) -> bool:
        return storage.read(self._ledger.root, SHARED_KEY) is not None

    @cached_property
    def _left_out(self) -> frozenset[int]:
        return frozenset(self._ledger.left_out())

    def _is_skipped(self, seq: int) -> bool:
        return seq <= self._first_seq

    @cached_property
    def _first_seq(self) -> int:
        return self._ledger.first_seq()

    @cached_property
    def _replayed(self) -> dict[int, datetime]:
        events = self._ledger.events(EventKind.REPLAYED)
        return {each.seq: each.at for each in events if each.seq is not None}


def _between(first: date, last: date) -> str:
    """Return the condition on the day a row was read: that of its commit, or before.

    A micro-batch that runs past midnight has the day it began.
    """
    low, high = first - timedelta(days=2), last + timedelta(days=1)
    return f"_processing_date >= date '{low}' and _processing_date <= date '{high}'"
