"""The commands that mend a checkpoint or a ledger, step by step on the double.

What decides is the real code: after which range a new checkpoint begins, and with which
files a new ledger does. Each step may be cut off before it is known to be done, and is
then taken again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from unittest.mock import patch

from sluice.model import CHAIN_START, LedgerFile
from sluice.repair import facts
from sluice.repair.plan import HeldFile, HeldRange, plan_adoption
from sluice.repair.rebuild import plan_ledger
from support.protocol_model import (
    MOMENT,
    REPAIRED,
    Driver,
    Ended,
    Pending,
    Rules,
    Seen,
    Store,
    Written,
    refused_by_preflight,
)
from support.protocol_steps import After, landed_version

REPAIRS = {"repair_begin", "repair_step", "repair_mark"}
_OF_LEDGER = {"LEDGER_MISMATCH", "LEDGER_REWOUND"}


def start_repair(rules: Rules, store: Store) -> Driver:
    """Return a repair before its first step, or before those that are left.

    Where the table has changed, a repair that was begun is decided again.
    """
    pending = store.pending
    begun = pending is not None and (
        not rules.repair_decided_again or _is_as_it_was(store, pending)
    )
    return Driver("repair_step" if begun else "repair_begin", REPAIRED, 0)


def advance_repair(rules: Rules, store: Store, driver: Driver) -> After:
    """Take the next step of a repair."""
    if driver.step == "repair_begin":
        begun = store._replace(pending=_decide(rules, store), repairs=store.repairs + 1)
        return begun, driver._replace(step="repair_step")
    assert store.pending is not None
    if driver.step == "repair_step":
        steps = _steps(rules, store)
        if store.pending.done == len(steps):
            return store._replace(pending=None), Ended("done", "repaired")
        return steps[store.pending.done], driver._replace(step="repair_mark")
    marked = store.pending._replace(done=store.pending.done + 1)
    return store._replace(pending=marked), driver._replace(step="repair_step")


def finish_repair(rules: Rules, store: Store) -> Store:
    """Let a repair come to its end."""
    after: Driver | Ended = start_repair(rules, store)
    while isinstance(after, Driver):
        store, after = advance_repair(rules, store, after)
    return store


def _is_as_it_was(store: Store, pending: Pending) -> bool:
    """Return True if the table is as it was decided on, or has that repair's commit."""
    before = store._replace(log=pending.log)
    return store.log in {pending.log, _with_transaction(before, pending.query).log}


def refusal_of(store: Store) -> str | None:
    """Return the condition with which a preflight refuses that nothing disturbs."""
    return refused_by_preflight(
        Seen(
            query=store.query,
            offsets=store.offsets,
            commits=store.commits,
            adopts=store.adopts,
            log=store.log,
            transactions=store.transactions,
            ledger=store.ledger,
            high=store.high,
            claims=store.claims,
            began=bool(store.offsets),
            pending=store.pending is not None,
        )
    )


def _decide(rules: Rules, store: Store) -> Pending:
    """Decide by the real code, as the command does that the refusal names."""
    query = REPAIRED + store.repairs
    store = store._replace(pending=None)
    rows = {str(file): count for file, count in store.rows().items()}
    adoption = plan_adoption(_held_ranges(store), None)
    needs_ledger = refusal_of(store) in _OF_LEDGER or _is_unusable(store, rows)
    if needs_ledger or adoption.gone:
        rebuilt = plan_ledger(
            rows, {}, lambda path: [landed_version(int(path))], missing=None
        )
        files = tuple(int(each.path) for each in rebuilt.files)
        return Pending(query, len(files), store.log, files)
    own = query if rules.repair_has_new_query_id else store.query
    return Pending(own or query, adoption.end, store.log)


def _is_unusable(store: Store, rows: Mapping[str | None, int]) -> bool:
    """Return True if, by the real code, the ledger cannot number on."""
    if not store.ledger:
        return True
    claimed = store.claims[-1][1] if store.claims else CHAIN_START
    ledger = SimpleNamespace(
        high_seq=lambda: store.high,
        claimed_up_to=lambda: claimed,
        files=lambda: [
            LedgerFile(seq, str(file), 1, MOMENT) for seq, file in store.files
        ],
    )
    landed = SimpleNamespace(status=lambda _: True)
    with patch.object(facts, "storage", landed):
        return facts.why_unusable(ledger, rows) is not None


def _held_ranges(store: Store) -> list[HeldRange]:
    """Return the claimed ranges; no archive says what a file should have."""
    rows = store.rows()
    held = [
        HeldFile(seq=seq, path=str(file), rows=rows[file], expected=None)
        for seq, file in store.files
    ]
    return [
        HeldRange(
            end=end,
            files=tuple(held[max(start, 0) : end]),
            was_committed=False,
            may_be_committed=False,
            is_one=not (store.rebuilt and start == CHAIN_START),
        )
        for start, end in store.claims
    ]


def _steps(rules: Rules, store: Store) -> list[Store]:
    """Return what each step would leave, taken now."""
    pending = store.pending
    assert pending is not None
    steps = []
    if pending.files is not None:
        made = store.ledgers_made + 1
        numbered = tuple(enumerate(pending.files, 1))
        claim = (CHAIN_START, pending.end)
        steps += [
            store._replace(ledger=0, files=(), high=0, claims=(), rebuilt=False),
            store._replace(
                ledgers_made=made, ledger=made, files=numbered, high=pending.end
            ),
            store._replace(claims=(claim,), rebuilt=True),
        ]
    steps.append(store._replace(query=0, offsets=(), commits=(), adopts=False))
    is_written = bool(store.log)
    entry = (0, store.ledger, pending.end)
    adopting = store._replace(offsets=(entry,), adopts=True)
    steps.append(adopting if is_written else store)
    steps.append(store._replace(commits=(0,)) if is_written else store)
    steps.append(store._replace(query=pending.query))
    commits = is_written and rules.repair_tells_the_table
    steps.append(_with_transaction(store, pending.query) if commits else store)
    return steps


def _with_transaction(store: Store, query: int) -> Store:
    if any(each.query == query for each in store.log):
        return store
    newest = dict(store.transactions) | {query: 0}
    return store._replace(
        log=(*store.log, Written("BATCH", query, 0)),
        transactions=tuple(sorted(newest.items())),
    )
