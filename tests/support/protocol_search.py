"""Explore every interleaving of the protocol's model, breadth first, up to a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from support.protocol_model import (
    Driver,
    Ended,
    Rules,
    Store,
    Written,
    rows_at,
)
from support.protocol_repair import (
    REPAIRS,
    advance_repair,
    finish_repair,
    refusal_of,
    start_repair,
)
from support.protocol_schemas import (
    FIRST,
    UNDOS,
    advance_undo,
    harm_to_values,
    start_undo,
)
from support.protocol_steps import advance, finish, start_run

_MOST_REPAIRS = 2
Mishap = Callable[[Store], Iterator[tuple[str, Store]]]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How much may happen; runs take their maxFilesPerTrigger from ``limits``."""

    files: int = 3
    limits: tuple[int, ...] = (1, 2)
    alive: int = 2
    mishaps: tuple[Mishap, ...] = ()
    most_mishaps: int = 1
    beside_drivers: bool = False
    most_repairs: int = 0
    has_schemas: bool = False
    most_undos: int = 0


class State(NamedTuple):
    """A moment: the storage, the drivers alive, and how much has happened."""

    store: Store
    drivers: tuple[Driver, ...] = ()
    runs: int = 0
    mishaps: int = 0
    repairs: int = 0
    undos: int = 0


@dataclass
class Findings:
    """How many states there were, and the shortest way to each kind of harm."""

    states: int = 0
    quiet: int = 0
    refused: set[str] = field(default_factory=set)
    harm: dict[str, list[str]] = field(default_factory=dict)


def explore(rules: Rules, bound: Bound, *, until: str | None = None) -> Findings:
    """Visit every state once, or until a harm is found, and look for harm in each."""
    found = Findings()
    first = State(Store(schemas=(FIRST,) if bound.has_schemas else ()))
    came_from: dict[State, tuple[State, str] | None] = {first: None}
    examined: dict[Store, str] = {}
    wave = [first]
    while wave and until not in found.harm:
        following = []
        for state in wave:
            if not state.drivers:
                harm = _harm_at_rest(rules, state.store, examined, found)
                _note(found, harm, state, came_from)
            for label, then, harm in _successors(rules, bound, state):
                if then not in came_from:
                    came_from[then] = (state, label)
                    following.append(then)
                if harm:
                    _note(found, harm, state, came_from, label)
        wave = following
    found.states = len(came_from)
    found.quiet = len(examined)
    return found


def _note(
    found: Findings,
    harm: str,
    state: State,
    came_from: dict[State, tuple[State, str] | None],
    *last: str,
) -> None:
    """Keep the way to the first harm of its kind."""
    if not harm or harm in found.harm:
        return
    labels = list(last)
    step = came_from[state]
    while step is not None:
        labels.append(step[1])
        step = came_from[step[0]]
    found.harm[harm] = labels[::-1]


def _successors(
    rules: Rules, bound: Bound, state: State
) -> Iterator[tuple[str, State, str]]:
    """Yield every event that may come next: its label, what then is, and the harm."""
    store, drivers = state.store, state.drivers
    if store.landed < bound.files:
        landed = store._replace(landed=store.landed + 1)
        yield f"file {landed.landed} lands", state._replace(store=landed), ""
    repairing = any(driver.step in REPAIRS for driver in drivers)
    alive = bound.alive if not repairing else 1
    running = [driver for driver in drivers if driver.step not in UNDOS]
    if len(running) < alive and state.runs < len(bound.limits):
        run = start_run(rules, state.runs, bound.limits[state.runs])
        then = state._replace(drivers=_sorted(*drivers, run), runs=state.runs + 1)
        yield f"run {run.run} starts", then, ""
    for driver in drivers:
        others = tuple(each for each in drivers if each is not driver)
        yield (
            f"run {driver.run} is killed before {driver.step}",
            state._replace(drivers=others),
            "",
        )
        after, then_driver = _advance(rules, store, driver)
        yield _stepped(rules, state._replace(store=after), driver, then_driver, others)
    yield from _commands(rules, bound, state)
    if state.mishaps < bound.most_mishaps and (bound.beside_drivers or not drivers):
        for mishap in bound.mishaps:
            for label, damaged in mishap(store):
                then = state._replace(store=damaged, mishaps=state.mishaps + 1)
                yield label, then, ""


def _commands(
    rules: Rules, bound: Bound, state: State
) -> Iterator[tuple[str, State, str]]:
    """Yield the starts of an undo, which may run beside drivers, and of a repair."""
    store, drivers = state.store, state.drivers
    if state.undos < bound.most_undos and len(store.schemas) > 1:
        undo = start_undo(state.undos)
        then = state._replace(drivers=_sorted(*drivers, undo), undos=state.undos + 1)
        yield "an undo starts", then, ""
    if not drivers and state.repairs < bound.most_repairs and is_refused(store):
        driver = start_repair(rules, store)
        then = state._replace(drivers=(driver,), repairs=state.repairs + 1)
        yield "a repair starts", then, ""


def _advance(
    rules: Rules, store: Store, driver: Driver
) -> tuple[Store, Driver | Ended]:
    if driver.step in UNDOS:
        return advance_undo(rules, store, driver)
    step = advance_repair if driver.step in REPAIRS else advance
    return step(rules, store, driver)


def _stepped(
    rules: Rules,
    state: State,
    driver: Driver,
    then: Driver | Ended,
    others: tuple[Driver, ...],
) -> tuple[str, State, str]:
    """Return what a step of a driver leads to."""
    label = f"run {driver.run}: {driver.step}"
    if isinstance(then, Ended):
        harm = _needless(rules, state.store, then)
        how = f"{label} -> {then.how} {then.why}"
        return how, state._replace(drivers=others), harm
    harm = "doubled" if max(state.store.rows().values(), default=0) > 1 else ""
    if then.restarts > 1:
        harm = "query started twice again for one batch"
    return label, state._replace(drivers=_sorted(*others, then)), harm


def _sorted(*drivers: Driver) -> tuple[Driver, ...]:
    """Return drivers in one order, so that equal states are equal."""
    return tuple(sorted(drivers, key=lambda driver: driver.run))


def _harm_at_rest(
    rules: Rules, store: Store, examined: dict[Store, str], found: Findings
) -> str:
    """Let a last run finish and compare the table with what landed."""
    if store not in examined:
        after, ended = finish(rules, store, start_run(rules, 98, 2))
        examined[store] = _harm_after(rules, store, after, ended)
        if ended.how == "refused":
            found.refused.add(ended.why)
            examined[store] = examined[store] or _harm_after_repair(rules, store)
    return examined[store]


def _harm_after_repair(rules: Rules, store: Store) -> str:
    """Let the command that the refusal names do its work, and then a run."""
    if not rules.repair:
        return ""
    # Whatever was damaged after a repair was decided on may need one of its own.
    for _ in range(_MOST_REPAIRS):
        store = finish_repair(rules, store)
        after, ended = finish(rules, store, start_run(rules, 97, 2))
        if ended.how != "refused":
            harm = _harm_after(rules, store, after, ended)
            return f"{harm} after a repair" if harm else ""
    return f"refused after a repair: {ended.why}"


def _harm_after(rules: Rules, before: Store, after: Store, ended: Ended) -> str:
    """Return what is wrong with the table once the last run has ended."""
    if ended.how == "refused":
        return _needless(rules, before, ended)
    rows = after.rows()
    if max(rows.values(), default=0) > 1:
        return "doubled"
    if ended.how == "failed":
        return f"stuck: {ended.why}"
    if len(rows) != after.landed:
        return "lost"
    return harm_to_values(rules, after) if after.schemas else ""


def _needless(rules: Rules, store: Store, ended: Ended) -> str:
    """Return the refusal of what would have gone well, or nothing."""
    if ended.how != "refused" or store.pending:
        return ""
    if not is_refused(store):
        return f"refused by a torn read: {ended.why}"
    unchecked = replace(rules, preflight=False)
    after, last = finish(unchecked, store, start_run(unchecked, 99, 2))
    well = last.how == "done" and after.rows() == dict.fromkeys(
        range(1, after.landed + 1), 1
    )
    return f"refused needlessly: {ended.why}" if well else ""


def is_refused(store: Store) -> bool:
    """Return True if a preflight that nothing disturbs refuses to begin."""
    return refusal_of(store) is not None


# What operators and disks do, one storage to each damaged one.


def rewind_checkpoint(store: Store) -> Iterator[tuple[str, Store]]:
    """Set offset and commit log back to an earlier moment, some batch being left."""
    for keep in range(len(store.offsets)):
        last = store.offsets[keep][0]
        for newest in (last - 1, last):
            commits = tuple(each for each in store.commits if each <= newest)
            back = store._replace(offsets=store.offsets[: keep + 1], commits=commits)
            if back != store:
                yield f"checkpoint back to offsets {last}, commits {newest}", back


def empty_logs(store: Store) -> Iterator[tuple[str, Store]]:
    """Delete all of offset and commit log, but not the query id."""
    if store.offsets:
        yield "both logs emptied", store._replace(offsets=(), commits=(), adopts=False)


def lose_commit_log(store: Store) -> Iterator[tuple[str, Store]]:
    """Lose the newest files of the commit log."""
    for keep in range(len(store.commits)):
        yield f"commit log cut to {keep}", store._replace(commits=store.commits[:keep])


def lose_checkpoint(store: Store) -> Iterator[tuple[str, Store]]:
    """Delete the checkpoint."""
    if store.query:
        yield (
            "checkpoint lost",
            store._replace(query=0, offsets=(), commits=(), adopts=False),
        )


def lose_ledger(store: Store) -> Iterator[tuple[str, Store]]:
    """Delete the ledger."""
    if store.ledger:
        lost = store._replace(ledger=0, files=(), high=0, claims=(), rebuilt=False)
        yield "ledger lost", lost


def rewind_ledger(store: Store) -> Iterator[tuple[str, Store]]:
    """Put an older backup of the ledger back."""
    for files in range(len(store.files) + 1):
        for claims in range(len(store.claims) + 1):
            tail = store.claims[claims - 1][1] if claims else 0
            if tail <= files:
                yield (
                    f"ledger back to {files} files, {claims} claims",
                    store._replace(
                        files=store.files[:files],
                        high=files,
                        claims=store.claims[:claims],
                    ),
                )


def rewind_files(store: Store) -> Iterator[tuple[str, Store]]:
    """Put an older backup of the files table back, but not of the claims."""
    for keep in range(len(store.files)):
        back = store._replace(files=store.files[:keep], high=keep)
        yield f"files table back to {keep}", back


def restore_table(store: Store) -> Iterator[tuple[str, Store]]:
    """RESTORE the table: rows go back, the app transaction does not."""
    for version in range(len(store.log)):
        commit = Written("RESTORE", back_to=version)
        if rows_at((*store.log, commit), len(store.log)) != tuple(store.rows()):
            restored = store._replace(log=(*store.log, commit))
            yield f"table RESTOREd to {version}", restored


def empty_table(store: Store) -> Iterator[tuple[str, Store]]:
    """DELETE all rows of the table."""
    if store.rows():
        yield "table emptied", store._replace(log=(*store.log, Written("DELETE")))


def rewind_table(store: Store) -> Iterator[tuple[str, Store]]:
    """Put an older backup of the table back, transactions and all; 0 is none."""
    for keep in range(len(store.log)):
        log = store.log[:keep]
        newest = {each.query: each.batch for each in log if each.operation == "BATCH"}
        back = store._replace(log=log, transactions=tuple(sorted(newest.items())))
        yield f"table back to {keep}", back
