"""Rules of a ledger: it is the one that the checkpoint read from, and as new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sluice.checkpoint import LedgerOffset
from sluice.errors import Condition
from sluice.model import CHAIN_START, Claim
from sluice.rules.facts import QueryFacts
from sluice.rules.findings import Code
from sluice.rules.refusal import Refusal


def check_ledger_readable(facts: QueryFacts) -> Refusal | None:
    """A damaged ledger is refused by the name of its file."""
    if facts.ledger_damage is None:
        return None
    return Refusal(
        code=Code.LEDGER_UNREADABLE,
        condition=Condition.LEDGER_UNREADABLE,
        query=facts.query.name,
        evidence=facts.ledger_damage,
    )


def check_offset(facts: QueryFacts) -> Refusal | None:
    """The checkpoint is of a query over a ledger."""
    checkpoint = facts.checkpoint
    if checkpoint is None or not checkpoint.offsets:
        return None
    newest = checkpoint.offsets[max(checkpoint.offsets)]
    if isinstance(newest.end, LedgerOffset):
        return None
    return Refusal(
        code=Code.CHECKPOINT_UNREADABLE,
        condition=Condition.CHECKPOINT_UNREADABLE,
        query=facts.query.name,
        evidence=(
            f"checkpoint {checkpoint.location!r} is not of a cloudFiles query: its "
            f"newest offset is {newest.offsets[0]!r}"
        ),
        remedy="name another checkpoint location as 'bronze.checkpoint'",
        context={"checkpoint": checkpoint.location},
    )


def check_ledger(facts: QueryFacts) -> Refusal | None:
    """The ledger has the id that the checkpoint names."""
    planned, head = _planned(facts), facts.ledger
    if planned is None or (head and head.ledger.ledger_id == planned.ledger_id):
        return None
    found = head.ledger.ledger_id if head else None
    location = facts.query.source.location
    return Refusal(
        code=Code.LEDGER_MISMATCH if head else Code.LEDGER_LOST,
        condition=Condition.LEDGER_MISMATCH,
        query=facts.query.name,
        evidence=(
            f"checkpoint {facts.query.checkpoint!r} was written with ledger "
            f"{planned.ledger_id}, and under {location!r} is {found or 'none'}"
        ),
        harm="going on would pass over new files or read old ones again",
        remedy="restore the ledger from backup, or run {repair}",
        context={"expected": planned.ledger_id, "found": found},
    )


def check_seqs(facts: QueryFacts) -> Refusal | None:
    """What was planned was claimed, and what was claimed was discovered."""
    planned, head = _planned(facts), facts.ledger
    if planned is None or head is None:
        return None
    claimed = head.claimed_up_to
    known = CHAIN_START if claimed is None else claimed
    if planned.seq <= known <= head.high_seq:
        return None
    return _rewound(
        facts,
        Code.CLAIMS_LOST if claimed is None else Code.LEDGER_BEHIND,
        f"has {head.high_seq} files and claims up to seq {known}, but checkpoint "
        f"{facts.query.checkpoint!r} has planned up to seq {planned.seq}",
        {"planned": planned.seq, "claimed": known, "discovered": head.high_seq},
    )


def check_claims(facts: QueryFacts) -> Refusal | None:
    """A checkpoint that was set back must find the claims of the batches ahead of it.

    Each batch has one claim. Without it the batch would be planned again, with other
    files, and Delta would skip it.
    """
    planned, checkpoint = _planned(facts), facts.checkpoint
    if planned is None or checkpoint is None:
        return None
    ahead = facts.written - max(checkpoint.offsets)
    if facts.later_claims >= ahead:
        return None
    return _rewound(
        facts,
        Code.LEDGER_BEHIND,
        f"has claims of {facts.later_claims} micro-batches after seq {planned.seq}, "
        f"but the table has {ahead} that checkpoint {checkpoint.location!r} does not "
        "know",
        {"ahead": ahead, "claimed": facts.later_claims},
    )


def count_later_claims(facts: QueryFacts, claims: Iterable[Claim]) -> int:
    """Return how many of ``claims`` begin at the checkpoint's end or after it."""
    planned = _planned(facts)
    if planned is None:
        return 0
    return sum(each.range.start >= planned.seq for each in claims)


def _planned(facts: QueryFacts) -> LedgerOffset | None:
    """Return the newest offset of the ledger that the checkpoint planned."""
    checkpoint = facts.checkpoint
    if checkpoint is None or not checkpoint.offsets:
        return None
    end = checkpoint.offsets[max(checkpoint.offsets)].end
    return end if isinstance(end, LedgerOffset) else None


def _rewound(
    facts: QueryFacts, code: Code, evidence: str, context: Mapping[str, object]
) -> Refusal:
    return Refusal(
        code=code,
        condition=Condition.LEDGER_REWOUND,
        query=facts.query.name,
        evidence=f"ledger of {facts.query.source.location!r} {evidence}",
        harm=(
            "it is older than what was read, would number files again, and some would "
            "be lost and some doubled"
        ),
        remedy=(
            "restore a newer backup of it, or checkpoint, ledger and table from one, "
            "or run {repair}"
        ),
        context=context,
    )
