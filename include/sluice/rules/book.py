"""The rule book: which rules a run must meet before it begins, and in which order.

Delta's sink skips any batch id at or below the last one it saw of a query, whatever the
batch holds. So what does not fit is refused before anything is read. A rule may rely on
those before it. Each is pure, and needs no more than a look at the newest state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from sluice.pipeline import LandedFiles, OtherSource, Source, TableRows
from sluice.rules.checkpoint import (
    check_begun,
    check_definition,
    check_logs,
    check_newest,
    check_readable,
    check_state,
)
from sluice.rules.facts import QueryFacts
from sluice.rules.ledger import (
    check_claims,
    check_ledger,
    check_ledger_readable,
    check_offset,
    check_seqs,
)
from sluice.rules.refusal import Refusal
from sluice.rules.table import (
    check_source,
    check_source_log,
    check_table_readable,
    check_taken_back,
    check_transactions,
)

Check = Callable[[QueryFacts], Refusal | None]
BRONZE: tuple[Check, ...] = (
    check_readable,
    check_ledger_readable,
    check_table_readable,
    check_begun,
    check_logs,
    check_offset,
    check_ledger,
    check_seqs,
    check_transactions,
    check_claims,
    check_taken_back,
)
SILVER_ALONE: tuple[Check, ...] = (
    check_readable,
    check_table_readable,
    check_begun,
    check_logs,
    check_definition,
    check_state,
    check_transactions,
    check_newest,
    check_taken_back,
)
SILVER: tuple[Check, ...] = (*SILVER_ALONE, check_source, check_source_log)
# Of a query of which only checkpoint and table are known.
PLAIN: tuple[Check, ...] = (check_readable, check_table_readable, check_logs)
PLAIN_WITH_TABLE: tuple[Check, ...] = (*PLAIN, check_transactions, check_newest)


def find_refusal(
    facts: QueryFacts, checks: Sequence[Check] | None = None
) -> Refusal | None:
    """Return the first reason why a run must not begin, None where all fits."""
    if checks is None:
        checks = _checks_of(facts.query.source)
    return next(filter(None, (check(facts) for check in checks)), None)


def _checks_of(source: Source) -> Sequence[Check]:
    match source:
        case LandedFiles():
            return BRONZE
        case TableRows():
            return SILVER
        case OtherSource():
            return PLAIN
        case _:
            assert_never(source)
