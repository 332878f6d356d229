"""The protocol step by step, on the double's storage.

What decides is the real code: the anti-join of discovery, the plan of a micro-batch,
the preflight's checks. Spark's steps are those of its MicroBatchExecution, the sink's
those of Delta's. Each step reads or writes the storage once, so whatever happens
between two steps may happen for real.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache

from sluice.ledger.ledger import unknown_files
from sluice.model import CHAIN_START, FileVersion, LedgerFile
from sluice.preflight.run import read_up_to
from sluice.source.admit import AdmissionLimit, plan_end
from support.protocol_model import (
    MOMENT,
    Driver,
    Ended,
    Rules,
    Seen,
    Store,
    Written,
    checkpoint_facts,
    files_of,
    refused_by_preflight,
)
from support.protocol_schemas import (
    evolve,
    has_new_fields,
    keep_schema,
    read_schema,
    values_in_columns,
)

After = tuple[Store, Driver | Ended]
Step = Callable[[Rules, Store, Driver], After]


def start_run(rules: Rules, run: int, limit: int) -> Driver:
    """Return a run before its first step; ``limit`` is its maxFilesPerTrigger."""
    first = "read_commits" if rules.commits_before_offsets else "read_offsets"
    return Driver(first if rules.preflight else "query_id", run, limit)


def advance(rules: Rules, store: Store, driver: Driver) -> After:
    """Take the driver's next step."""
    return STEPS[driver.step](rules, store, driver)


def finish(rules: Rules, store: Store, driver: Driver) -> tuple[Store, Ended]:
    """Let one driver run to its end with no other beside it."""
    after: Driver | Ended = driver
    for _ in range(200):
        if isinstance(after, Ended):
            return store, after
        store, after = advance(rules, store, after)
    message = f"the run does not end: {after}"
    raise AssertionError(message)


# Preflight: checkpoint, table, ledger, each read once; then the first discovery.


def read_commits(rules: Rules, store: Store, driver: Driver) -> After:
    """List the commit log, and look for a repair that is not over."""
    pending = store.pending is not None and rules.repair_written_down
    seen = driver.seen._replace(
        query=store.query, commits=store.commits, pending=pending
    )
    step = "read_offsets" if rules.commits_before_offsets else _second(rules)
    return store, driver._replace(step=step, seen=seen)


def read_offsets(rules: Rules, store: Store, driver: Driver) -> After:
    """List the offset log."""
    seen = driver.seen._replace(
        query=store.query, offsets=store.offsets, adopts=store.adopts
    )
    step = _second(rules) if rules.commits_before_offsets else "read_commits"
    return store, driver._replace(step=step, seen=seen)


def read_table(rules: Rules, store: Store, driver: Driver) -> After:
    """Open the bronze table."""
    seen = driver.seen._replace(log=store.log, transactions=store.transactions)
    driver = driver._replace(seen=seen)
    if rules.table_before_claims:
        return store, driver._replace(step="read_ledger")
    return _decide(rules, store, driver)


def read_ledger(rules: Rules, store: Store, driver: Driver) -> After:
    """Open the ledger and read its claims."""
    seen = driver.seen._replace(
        ledger=store.ledger, high=store.high, claims=store.claims
    )
    driver = driver._replace(seen=seen)
    if not rules.table_before_claims:
        return store, driver._replace(step="read_table")
    return _decide(rules, store, driver)


def _second(rules: Rules) -> str:
    """Return the first step after the checkpoint's logs."""
    return "read_table" if rules.table_before_claims else "read_ledger"


def _decide(rules: Rules, store: Store, driver: Driver) -> After:
    """Refuse what does not fit, by the real checks; touches no storage."""
    seen = driver.seen
    if rules.checkpoint_looked_at_again:
        seen = seen._replace(began=bool(store.offsets))
    if not rules.offsets_name_the_ledger:
        seen = seen._replace(
            offsets=tuple((each, seen.ledger, seq) for each, _, seq in seen.offsets)
        )
    if not rules.rows_looked_at:
        seen = seen._replace(
            log=tuple(each for each in seen.log if each.operation == "BATCH")
        )
    refusal = refused_by_preflight(seen)
    if refusal is not None:
        return store, Ended("refused", refusal)
    step = "give_query_id" if rules.query_id_by_preflight else "list_landed"
    return _with_ledger(store), driver._replace(step=step)


def give_query_id(rules: Rules, store: Store, driver: Driver) -> After:
    """Write ``metadata`` put-if-absent: of two very first drivers one decides."""
    query = store.query or driver.run + 1
    return store._replace(query=query), driver._replace(step="list_landed")


# Discovery: once in the preflight, once more when Spark starts.


def list_landed(rules: Rules, store: Store, driver: Driver) -> After:
    """List the landing folder and open the ledger's snapshot to compare it with.

    One step, for a file that lands or is appended in between changes nothing: an append
    in between is refused, and the same listing is compared again.
    """
    store = _with_ledger(store)
    driver = driver._replace(listed=store.landed, snapshot=len(store.files))
    return store, driver._replace(step="append_files", high=store.high)


def append_files(rules: Rules, store: Store, driver: Driver) -> After:
    """Append the files that the snapshot has not, unless it is no longer the newest."""
    known = tuple(file for _, file in store.files[: driver.snapshot])
    fresh = unknown(driver.listed, known if rules.anti_join else ())
    if fresh and rules.files_through_snapshot and len(store.files) != driver.snapshot:
        return store, driver._replace(snapshot=len(store.files), high=store.high)
    if fresh:
        rows = tuple(enumerate(fresh, driver.high + 1))
        store = store._replace(files=store.files + rows, high=rows[-1][0])
    return store, _after_discovery(store, driver)


def _after_discovery(store: Store, driver: Driver) -> Driver | Ended:
    """Go on to Spark where there is work, or, in Spark, to its target."""
    if driver.query:
        return driver._replace(step="set_target")
    done = read_up_to(checkpoint_facts(driver.seen))
    waiting = any(seq > done for seq, _ in store.files)
    unfinished = driver.seen.offsets and (
        not driver.seen.commits or driver.seen.commits[-1] < driver.seen.offsets[-1][0]
    )
    if not waiting and not unfinished:
        return Ended("done", "nothing new")
    return driver._replace(step="query_id", seen=Seen())


@cache
def unknown(listed: int, known: tuple[int, ...]) -> tuple[int, ...]:
    """Return the files to append by the real comparison; later files look older."""
    landed = [landed_version(file) for file in range(1, listed + 1)]
    fresh = unknown_files(landed, [landed_version(file).path for file in known])
    return tuple(int(file.path) for file in fresh)


def landed_version(file: int) -> FileVersion:
    """Return a file as a listing shows it; later ones look older."""
    return FileVersion(str(file), 1, MOMENT - timedelta(days=file))


def _with_ledger(store: Store) -> Store:
    """Return the storage with a ledger, made where there is none."""
    if store.ledger:
        return store
    made = store.ledgers_made + 1
    empty = store._replace(files=(), high=0, claims=(), rebuilt=False)
    return empty._replace(ledgers_made=made, ledger=made)


# Spark's start: query id, discovery, offset log, commit log.


def query_id(rules: Rules, store: Store, driver: Driver) -> After:
    """Read the checkpoint's ``metadata``."""
    if store.query:
        return store, driver._replace(step="list_landed", query=store.query)
    return store, driver._replace(step="make_query_id")


def make_query_id(rules: Rules, store: Store, driver: Driver) -> After:
    """Write ``metadata``; Spark fails where the storage says that it exists."""
    if store.query and rules.metadata_refuses:
        return store, Ended("failed", "ConcurrentModificationException")
    mine = driver.run + 1
    return store._replace(query=mine), driver._replace(step="list_landed", query=mine)


def set_target(rules: Rules, store: Store, driver: Driver) -> After:
    """Let the availableNow run end with the highest seq there is now."""
    step = "read_schema" if store.schemas else "load_offsets"
    return store, driver._replace(step=step, target=store.high)


def load_offsets(rules: Rules, store: Store, driver: Driver) -> After:
    """Take the newest batch of the offset log, and the end of the one before."""
    driver = driver._replace(step="load_commits")
    if not store.offsets:
        return store, driver._replace(batch=-1, ledger=_with_ledger(store).ledger)
    batch, ledger, end = store.offsets[-1]
    before = {each: seq for each, _, seq in store.offsets}.get(batch - 1)
    if batch and before is None:
        return store, Ended("failed", f"batch {batch - 1} doesn't exist")
    start = CHAIN_START if before is None else before
    return store, driver._replace(batch=batch, ledger=ledger, start=start, end=end)


def load_commits(rules: Rules, store: Store, driver: Driver) -> After:
    """Run the newest batch again unless it is the newest of the commit log too."""
    newest = store.commits[-1] if store.commits else -1
    if driver.batch >= 0 and newest != driver.batch:
        return store, driver._replace(step="run_batch")
    return store, _next_batch(driver)


def _next_batch(driver: Driver) -> Driver:
    """Go on from the end of the batch before."""
    following = driver.batch + 1
    return driver._replace(step="plan", batch=following, start=driver.end, restarts=0)


# A micro-batch: plan, claim, offset log, tasks, Delta commit, commit log.


def plan(rules: Rules, store: Store, driver: Driver) -> After:
    """Read the claims' snapshot and find the end of the batch.

    The ledger's files are read in the same step: below the target they never change.
    """
    if rules.offsets_name_the_ledger and driver.ledger != store.ledger:
        return store, Ended("failed", "LEDGER_MISMATCH")
    claimed = dict(reversed(store.claims)).get(driver.start)
    if claimed is not None and rules.claims and rules.first_claim_stands:
        return store, driver._replace(step="log_offsets", end=claimed)
    # Spark takes the very first offset for new, so it runs a batch 0 without files.
    end = planned_end(max(driver.start, 0), store.files, driver.target, driver.limit)
    if end == driver.start:
        return store, Ended("done")
    driver = driver._replace(end=end, snapshot=len(store.claims))
    unclaimed = end == 0 and not rules.first_batch_claimed
    if not rules.claims or not rules.claim_before_offsets or unclaimed:
        return store, driver._replace(step="log_offsets")
    tail = _tail(rules, store)
    if driver.start != tail and rules.first_claim_stands:
        return store, Ended("failed", "CLAIM_CONFLICT")
    return store, driver._replace(step="claim")


def _tail(rules: Rules, store: Store) -> int:
    """Return where the chain of claims ends."""
    return store.claims[-1][1] if store.claims else CHAIN_START


@cache
def planned_end(
    start: int, files: tuple[tuple[int, int], ...], target: int, limit: int
) -> int:
    """Return the end by the real admission."""
    waiting = sorted(
        LedgerFile(seq, str(file), 1, MOMENT)
        for seq, file in files
        if start < seq <= min(target, start + limit)
    )
    return plan_end(start, waiting, AdmissionLimit(max_files=limit))


def claim(rules: Rules, store: Store, driver: Driver) -> After:
    """Append the claim, unless its snapshot is no longer the newest."""
    if rules.claims_through_snapshot and len(store.claims) != driver.snapshot:
        return store, driver._replace(step="plan")
    claims = (*store.claims, (driver.start, driver.end))
    late = not rules.claim_before_offsets
    step = "run_batch" if late else "log_offsets"
    return store._replace(claims=claims), driver._replace(step=step)


def log_offsets(rules: Rules, store: Store, driver: Driver) -> After:
    """Write the offset log."""
    others = tuple(each for each in store.offsets if each[0] != driver.batch)
    if len(others) != len(store.offsets) and rules.logs_refuse:
        return store, Ended("failed", "CONCURRENT_STREAM_LOG_UPDATE")
    entry = (driver.batch, driver.ledger, driver.end)
    has_files = driver.end > driver.start
    late = rules.claims and not rules.claim_before_offsets and has_files
    return (
        store._replace(offsets=tuple(sorted((*others, entry)))),
        driver._replace(step="claim" if late else "run_batch"),
    )


def run_batch(rules: Rules, store: Store, driver: Driver) -> After:
    """Look the files up and read the table's transaction, as Delta's sink does."""
    if rules.offsets_name_the_ledger and driver.ledger != store.ledger:
        return store, Ended("failed", "LEDGER_MISMATCH")
    expected = max(driver.end, 0) - max(driver.start, 0)
    complete = len(files_of(store, driver)) == expected
    if rules.ranges_counted and not complete:
        return store, Ended("failed", "LEDGER_UNREADABLE")
    claimed = dict(reversed(store.claims)).get(driver.start, driver.end)
    if rules.first_claim_stands and driver.start != driver.end != claimed:
        return store, Ended("failed", "LEDGER_REWOUND")
    newest = store.newest_batch(driver.query)
    skips = rules.sink_transactions and newest >= driver.batch
    if skips:
        return store, driver._replace(step="log_commit")
    if has_new_fields(rules, store, driver):
        return store, driver._replace(step="evolve")
    return store, driver._replace(step="commit_table", snapshot=newest)


def commit_table(rules: Rules, store: Store, driver: Driver) -> After:
    """Commit the rows with the batch id, unless the query's newest has moved."""
    if rules.sink_transactions and store.newest_batch(driver.query) != driver.snapshot:
        return store, Ended("failed", "ConcurrentTransactionException")
    newest = dict(store.transactions) | {driver.query: driver.batch}
    files, columns = files_of(store, driver), values_in_columns(store, driver)
    commit = Written("BATCH", driver.query, driver.batch, files, columns=columns)
    return (
        store._replace(
            log=(*store.log, commit), transactions=tuple(sorted(newest.items()))
        ),
        driver._replace(step="log_commit"),
    )


def log_commit(rules: Rules, store: Store, driver: Driver) -> After:
    """Write the commit log and go on to the next batch."""
    if driver.batch in store.commits and rules.logs_refuse:
        return store, Ended("failed", "CONCURRENT_STREAM_LOG_UPDATE")
    commits = tuple(sorted({*store.commits, driver.batch}))
    return store._replace(commits=commits), _next_batch(driver)


STEPS: dict[str, Step] = {
    step.__name__: step
    for step in (
        *(read_commits, read_offsets, read_table, read_ledger),
        *(give_query_id, list_landed, append_files),
        *(query_id, make_query_id, set_target),
        *(load_offsets, load_commits, plan, claim, log_offsets),
        *(run_batch, commit_table, log_commit),
        *(read_schema, evolve, keep_schema),
    )
}
