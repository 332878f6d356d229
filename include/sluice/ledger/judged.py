"""By which rules the rows of a micro-batch are judged: the first attempt's stand.

A row goes into one of two tables, by two commits. Were the rules others when a batch
that was cut off between the two is repeated, a row could be in both or in neither. So
they are written down before the first commit, put-if-absent, as the end of a
micro-batch is claimed before it is planned.
"""

from __future__ import annotations

import msgspec

from sluice import storage
from sluice.paths import join
from sluice.records import load_record


class JudgedBy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one micro-batch, by name: expression, and what a violation does."""

    rules: dict[str, tuple[str, str]]


def judge_by(root: str, batch: str, rules: JudgedBy) -> JudgedBy:
    """Return the rules of a micro-batch: those that were kept, or else ``rules``, kept.

    ``root`` is the ledger's, ``batch`` names the micro-batch for good.
    """
    storage.put_if_absent(_folder(root), _key(batch), msgspec.json.encode(rules))
    return judged_by(root, batch) or rules


def judged_by(root: str, batch: str) -> JudgedBy | None:
    """Return the rules that were kept for a micro-batch, None where it was not begun.

    Raises:
        FatalError: the record is damaged.
    """
    remedy = "restore it from backup"
    return load_record(_folder(root), _key(batch), JudgedBy, remedy=remedy)


def forget_judged(root: str, query_id: str, *, below: int) -> None:
    """Remove what was kept for micro-batches ``below`` one: they are committed."""
    folder = _folder(root)
    for key in storage.list_keys(folder):
        query, _, batch = key.removesuffix(".json").rpartition("-")
        if query == query_id and int(batch) < below:
            storage.delete(folder, key)


def _folder(root: str) -> str:
    return join(root, "judged")


def _key(batch: str) -> str:
    return f"{batch}.json"
