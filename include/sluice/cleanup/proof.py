"""Prove that all rows of a file are committed, or return why that is unknown.

Of a plain stream only the claims are known. Spark plans a micro-batch once the one
before it is in the sink, so a claim proves the claim that ends where it begins.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from sluice.ledger.ledger import Ledger
from sluice.model import Claim, LedgerFile


class Unproven(StrEnum):
    """Why it is not proven that the table has the rows of a file."""

    NOT_COMMITTED = "it is in no micro-batch of which the commit is known"
    LEFT_OUT = "it is in quarantine or replaced"
    SKIPPED = "it is never read"
    NOT_COUNTED = "it has no rows that were counted"
    ROWS_DIFFER = "the table has other rows of it than were committed"

    @property
    def may_pass(self) -> bool:
        """Whether a later run is likely to prove it."""
        return self is Unproven.NOT_COMMITTED


Committed = datetime | Unproven
"""When all rows of a file were committed, or why that is unknown."""


class Prover(Protocol):
    """Knows what was committed of one ledger."""

    def committed_before(self, moment: datetime) -> int:
        """Return the highest seq whose micro-batch was committed by then, or 0."""

    def prove(self, files: Sequence[LedgerFile]) -> Mapping[int, Committed]:
        """Return what is proven of ``files``, which are in order, by seq."""


class ClaimsProver:
    """Proves by the claims of a stream, which itself has read up to ``read_up_to``."""

    def __init__(self, ledger: Ledger, read_up_to: int) -> None:
        self._ledger = ledger
        self._read_up_to = read_up_to

    def committed_before(self, moment: datetime) -> int:
        """Return the highest seq whose micro-batch was committed by then, or 0."""
        proven = zip(self._claims, self._claims[1:], strict=False)
        ends = [one.range.end for one, next_ in proven if next_.claimed_at <= moment]
        return max(ends, default=0)

    def prove(self, files: Sequence[LedgerFile]) -> Mapping[int, Committed]:
        """Return what is proven of ``files`` by seq."""
        return {file.seq: self._prove(file.seq) for file in files}

    def _prove(self, seq: int) -> Committed:
        if seq <= self._first_seq:
            return Unproven.SKIPPED
        if seq in self._left_out:
            return Unproven.LEFT_OUT
        ends = [claim.range.end for claim in self._claims]
        position = bisect_left(ends, seq)
        if position + 1 >= len(ends) or ends[position] > self._read_up_to:
            return Unproven.NOT_COMMITTED
        return self._claims[position + 1].claimed_at

    @cached_property
    def _claims(self) -> list[Claim]:
        return self._ledger.claims()

    @cached_property
    def _left_out(self) -> frozenset[int]:
        return frozenset(self._ledger.left_out())

    @cached_property
    def _first_seq(self) -> int:
        return self._ledger.first_seq()
