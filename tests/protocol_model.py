"""The values of the protocol's model: storage as one immutable value, and drivers.

What decides is the real code, here the preflight's checks. What stores is a double:
Delta tables with app transactions, and a checkpoint of files written put-if-absent.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import patch

from sluice import preflight
from sluice.checkpoint import CheckpointFacts
from sluice.checkpoint.parse import CommitEntry, OffsetEntry
from sluice.config import PipelineConfig
from sluice.errors import FatalError
from sluice.model import Claim, SeqRange
from sluice.source.ledger import Ledger

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = PipelineConfig(name="model", lake="/lake")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules of the protocol; a mutant is the protocol without one of them."""

    offsets_name_the_ledger: bool = True
    files_through_snapshot: bool = True
    anti_join: bool = True
    ranges_counted: bool = True
    claims: bool = True
    claim_before_offsets: bool = True
    first_claim_stands: bool = True
    claims_through_snapshot: bool = True
    sink_transactions: bool = True
    one_query_id: bool = True
    preflight: bool = True
    commits_before_offsets: bool = True
    table_before_claims: bool = True
    checkpoint_looked_at_again: bool = True
    # No rule but a property of the checkpoint's storage: whether Spark's offset and
    # commit logs refuse a second file of one batch. The claims must do without.
    logs_refuse: bool = True


class Store(NamedTuple):
    """All that survives a crash; ``ledger`` and ``query`` are ids, 0 where absent."""

    landed: int = 0
    ledgers_made: int = 0
    ledger: int = 0
    files: tuple[tuple[int, int], ...] = ()  # (seq, file), in order of commits
    high: int = 0
    claims: tuple[tuple[int, int], ...] = ()  # (start, end), in order of commits
    query: int = 0
    offsets: tuple[tuple[int, int, int], ...] = ()  # (batch, ledger, seq)
    commits: tuple[int, ...] = ()
    table: tuple[tuple[int, int, tuple[int, ...]], ...] = ()  # (query, batch, files)
    transactions: tuple[tuple[int, int], ...] = ()  # (query, batch)

    def newest_batch(self, query: int) -> int:
        """Return the newest batch of ``query`` that the table has seen, or -1."""
        return dict(self.transactions).get(query, -1)

    def rows(self) -> Counter[int]:
        """Return how often each file is in the table."""
        return Counter(file for *_, files in self.table for file in files)


class Seen(NamedTuple):
    """What a preflight has read so far, each part in a step of its own."""

    query: int = 0
    offsets: tuple[tuple[int, int, int], ...] = ()
    commits: tuple[int, ...] = ()
    has_rows: bool = False
    transactions: tuple[tuple[int, int], ...] = ()
    ledger: int = 0
    high: int = 0
    claims: tuple[tuple[int, int], ...] = ()
    began: bool = False  # there are offsets at the end of the preflight


class Driver(NamedTuple):
    """One run, alive: what its process knows, and the step that it takes next."""

    step: str
    run: int
    limit: int
    seen: Seen = Seen()
    listed: int = 0
    snapshot: int = 0
    high: int = 0
    target: int = -1  # not known before Spark has started
    query: int = 0
    ledger: int = 0
    batch: int = 0
    start: int = 0
    end: int = 0


class Ended(NamedTuple):
    """A run that is over: ``done``, ``refused`` by the preflight, or ``failed``."""

    how: str
    why: str = ""


@cache
def refused_by_preflight(seen: Seen) -> str | None:
    """Return the condition with which the real preflight refuses, if it does."""
    table = SimpleNamespace(file_uris=lambda: ["part"] * seen.has_rows, version=int)
    newest = {str(query): batch for query, batch in seen.transactions}
    checkpoint = checkpoint_facts(seen)
    ledger = _Ledger("/ledger", str(seen.ledger), seen) if seen.ledger else None
    try:
        with patch.multiple(
            preflight,
            open_table=lambda _: table,
            latest_transaction=lambda _, query_id: newest.get(query_id),
            read_checkpoint=lambda _: SimpleNamespace(offsets=seen.began),
        ):
            preflight.require_consistent(CONFIG, checkpoint, ledger)
            preflight.read_up_to(checkpoint)
    except FatalError as error:
        return str(error.condition)
    return None


def checkpoint_facts(seen: Seen) -> CheckpointFacts | None:
    """Return what the real reader would make of the checkpoint as it was seen."""
    if not (seen.query or seen.offsets or seen.commits):
        return None
    offsets = {
        batch: OffsetEntry(
            batch, 1, 0, 0, {}, (json.dumps({"ledger": str(ledger), "seq": seq}),)
        )
        for batch, ledger, seq in seen.offsets
    }
    commits = {batch: CommitEntry(batch, 1, 0) for batch in seen.commits}
    query_id = str(seen.query) if seen.query else None
    return CheckpointFacts("/checkpoint", query_id, offsets, commits)


@dataclass(frozen=True)
class _Ledger(Ledger):
    """The ledger as a preflight has seen it."""

    seen: Seen

    def high_seq(self) -> int:
        """Return the highest seq."""
        return self.seen.high

    def claimed_up_to(self) -> int:
        """Return the end of the last claim."""
        return self.seen.claims[-1][1] if self.seen.claims else 0

    def claims(self) -> list[Claim]:
        """Return all claims."""
        return [Claim(SeqRange(*each), "run", MOMENT) for each in self.seen.claims]
