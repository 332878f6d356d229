"""The schema store in the protocol's model: evolution and undo, step by step.

What decides is the real code: the next version that a micro-batch brings, and the one
of an undo. The store of versions is a double, written put-if-absent; an undo's commit
is one of Delta's, refused where another took rows that it read.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema

from sluice.formats.json import JsonFormat
from sluice.options.options import CloudFilesOptions
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.plan import ReadPlan
from sluice.schema.evolve import Brought, next_version
from sluice.schema.kept import SchemaVersion
from sluice.schema.undo import plan_undo
from support.protocol_model import (
    Driver,
    Ended,
    Kept,
    Rules,
    Store,
    Value,
    Written,
    files_of,
)

After = tuple[Store, Driver | Ended]
UNDOER = 80
"""The number of the first undo; no run has one as high."""
UNDOS = {"undo_look", "undo_keep", "undo_scan", "undo_commit"}
FIRST = Kept(("a",))
_FIELDS = {1: ("a",), 2: ("a", "b"), 3: ("a", "b", "c")}
_OPTIONS = CloudFilesOptions(path="/in", schema_location="/schemas")


def fields_of(file: int) -> tuple[str, ...]:
    """Return the fields of the records of a file; later ones have more."""
    return _FIELDS[file]


# A run: the schema that it reads in, and what its tasks do with new fields.


def read_schema(rules: Rules, store: Store, driver: Driver) -> After:
    """Read the newest version, as each start of the query does."""
    return store, driver._replace(step="load_offsets", schema=len(store.schemas) - 1)


def has_new_fields(rules: Rules, store: Store, driver: Driver) -> bool:
    """Return True if a task meets a field that its schema would take."""
    if not store.schemas:
        return False
    found = _met(store.schemas[driver.schema], files_of(store, driver))
    if rules.old_schema_fails:
        return bool(found)
    return any(each not in store.schemas[-1].fields for each in found)


def evolve(rules: Rules, store: Store, driver: Driver) -> After:
    """Look whether the newest version has what a task met; the query starts again.

    Unless it would read in the same version: then the run fails.
    """
    newest = store.schemas[-1]
    met = _met_first(store, driver)
    if rules.saved_before_failing and met not in {*newest.fields, *newest.undone}:
        return store, driver._replace(step="keep_schema", snapshot=len(store.schemas))
    if driver.schema == len(store.schemas) - 1:
        return store, Ended("failed", "UNKNOWN_FIELD_EXCEPTION")
    return store, driver._replace(step="query_id", restarts=driver.restarts + 1)


def keep_schema(rules: Rules, store: Store, driver: Driver) -> After:
    """Write the version that the micro-batch brings put-if-absent, and look again."""
    known = store.schemas[driver.snapshot - 1]
    files = files_of(store, driver) if rules.whole_batch_evolved else ()
    mine = evolved(known, files, _met_first(store, driver))
    after = _kept(rules, store, driver.snapshot, mine)
    return after, driver._replace(step="evolve")


def values_in_columns(store: Store, driver: Driver) -> tuple[Value, ...]:
    """Return the values that have a column in the schema that a driver reads in."""
    known = store.schemas[driver.schema].fields if store.schemas else ()
    return tuple(
        (file, name)
        for file in files_of(store, driver)
        for name in fields_of(file)
        if name in known
    )


def _met_first(store: Store, driver: Driver) -> str:
    return _met(store.schemas[driver.schema], files_of(store, driver))[0]


def _met(schema: Kept, files: tuple[int, ...]) -> tuple[str, ...]:
    """Return the fields of files that a schema neither has nor leaves out."""
    found = dict.fromkeys(name for file in files for name in fields_of(file))
    left_out = {*schema.fields, *schema.undone}
    return tuple(each for each in found if each not in left_out)


def _kept(rules: Rules, store: Store, number: int, mine: Kept) -> Store:
    """Write a version as ``number``; what is there stays, or else is overwritten."""
    if number < len(store.schemas) and rules.versions_stand:
        return store
    schemas = (*store.schemas[:number], mine, *store.schemas[number + 1 :])
    return store._replace(schemas=schemas)


@cache
def evolved(known: Kept, files: tuple[int, ...], met: str) -> Kept:
    """Return the version behind ``known`` by the real code."""
    fields = [(str(file), _arrow(fields_of(file))) for file in files]
    found = NewFieldsError("met", [*_arrow((*known.fields, met))])
    plan = ReadPlan(format=JsonFormat(), output=pa.schema(_arrow(known.fields)))
    return _as_kept(
        next_version(_version(0, known), Brought(fields, []), _OPTIONS, plan, found)
    )


def _arrow(names: tuple[str, ...]) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


def _version(number: int, kept: Kept) -> SchemaVersion:
    return SchemaVersion(
        number=number,
        schema=from_arrow_schema(pa.schema(_arrow(kept.fields))),
        undone=tuple((name,) for name in kept.undone),
        undone_to=kept.undone_to,
    )


def _as_kept(version: SchemaVersion) -> Kept:
    return Kept(
        tuple(version.schema.names),
        tuple(name for (name,) in version.undone),
        version.undone_to,
    )


# An undo: its version first, then one commit, behind no lease.


def start_undo(number: int) -> Driver:
    """Return an undo before its first step."""
    return Driver("undo_look", UNDOER + number, 0)


def advance_undo(rules: Rules, store: Store, driver: Driver) -> After:
    """Take the next step of an undo."""
    if driver.step == "undo_look":
        return store, _look(rules, store, driver)
    if driver.step == "undo_keep":
        mine = undone_version(store.schemas[: driver.snapshot])
        if rules.versions_stand and len(store.schemas) != driver.snapshot:
            return store, Ended("failed", "COMMIT_CONFLICT")
        kept = mine if rules.undo_is_remembered else mine._replace(undone=())
        after = _kept(rules, store, driver.snapshot, kept)
        return after, driver._replace(step="undo_scan", undone=mine.undone)
    if driver.step == "undo_scan":
        held = _held(store, driver.undone)
        if not held:
            return store, Ended("done", "undone")
        snapshot = len(store.log)
        return store, driver._replace(step="undo_commit", snapshot=snapshot, moved=held)
    return _commit(rules, store, driver)


def _look(rules: Rules, store: Store, driver: Driver) -> Driver | Ended:
    """Decide on the version by the real code, or find that it is there."""
    mine, newest = undone_version(store.schemas), store.schemas[-1]
    if mine != newest:
        return driver._replace(step="undo_keep", snapshot=len(store.schemas))
    if not rules.undo_looks_for_values:
        return Ended("done", "nothing to undo")
    return driver._replace(step="undo_scan", undone=mine.undone)


def _commit(rules: Rules, store: Store, driver: Driver) -> After:
    """Move the values, unless another commit took rows that they were read of."""
    moved = {each for commit in store.log[driver.snapshot :] for each in commit.moved}
    if rules.updates_conflict and moved & set(driver.moved):
        return store, driver._replace(step="undo_scan")
    commit = Written("UPDATE", moved=driver.moved)
    after = store._replace(log=(*store.log, commit))
    return after, Ended("done", "undone")


@cache
def undone_version(schemas: tuple[Kept, ...]) -> Kept:
    """Return the version of an undo by the real code."""
    versions = [_version(number, each) for number, each in enumerate(schemas)]
    return _as_kept(plan_undo(versions, run_id="undo").version)


def finish_undo(rules: Rules, store: Store) -> Store:
    """Let an undo come to its end with nothing beside it."""
    after: Driver | Ended = start_undo(9)
    while isinstance(after, Driver):
        store, after = advance_undo(rules, store, after)
    return store


# What must hold of values, whatever happened.


def places(store: Store) -> tuple[Counter[Value], Counter[Value]]:
    """Return how often each value is in its column, and in the rescued data."""
    columns: Counter[Value] = Counter()
    rescued: Counter[Value] = Counter()
    for commit in store.log:
        columns.update(commit.columns)
        values = {(file, name) for file in commit.files for name in fields_of(file)}
        rescued.update(values - set(commit.columns))
        rescued.update(commit.moved)
        columns.subtract(set(commit.moved) & set(+columns))
    return +columns, +rescued


def _held(store: Store, undone: tuple[str, ...]) -> tuple[Value, ...]:
    columns, _ = places(store)
    return tuple(sorted(each for each in columns if each[1] in undone))


@cache
def harm_to_values(rules: Rules, store: Store) -> str:
    """Return what is wrong with the values of a table of all files, or nothing."""
    columns, rescued = places(store)
    both = columns + rescued
    if max(both.values(), default=0) > 1:
        return "value doubled"
    landed = range(1, store.landed + 1)
    if any((file, name) not in both for file in landed for name in fields_of(file)):
        return "value lost"
    undone = {name for each in store.schemas for name in each.undone}
    if any(name not in undone for _, name in rescued):
        return "value rescued without need"
    return _harm_of_return(store) or _harm_after_undo(rules, store)


def _harm_of_return(store: Store) -> str:
    """Find a field that came back although an undo took it out."""
    out: set[str] = set()
    for each in store.schemas:
        if out & set(each.fields):
            return "undone field is back"
        out |= set(each.undone)
    return ""


def _harm_after_undo(rules: Rules, store: Store) -> str:
    """Repeat an undo that was begun, and look at what is left."""
    if not store.schemas[-1].undone:
        return ""
    after = finish_undo(rules, store)
    columns, rescued = places(after)
    if max((columns + rescued).values()) > 1:
        return "value doubled by an undo"
    undone = undone_version(after.schemas).undone
    return "value left by an undo" if any(n in undone for _, n in columns) else ""
