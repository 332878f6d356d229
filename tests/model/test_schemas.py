"""Each value once, in every order of evolution and undo: the model with a schema store.

Later files have more fields. The harm that is looked for, beside that of rows: a value
``lost``, ``doubled`` or ``rescued without need``, an undone field that is ``back``,
values ``left by an undo`` that was repeated, and a micro-batch for which a query starts
again more than once.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from support.protocol_model import Rules
from support.protocol_search import Bound, explore

JOB = Rules()
RAW = Rules(preflight=False)
ONE_DRIVER = Bound(alive=1, has_schemas=True, most_undos=1)
TWO_UNDOS = replace(ONE_DRIVER, most_undos=2)
TWO_DRIVERS = Bound(files=2, has_schemas=True, most_undos=1)


@pytest.mark.parametrize("rules", [JOB, RAW], ids=["job", "stream"])
def test_runs_and_an_undo_lose_no_value(rules: Rules) -> None:
    """Killed anywhere, and beside each other: an undo's leases are a courtesy."""
    found = explore(rules, ONE_DRIVER)

    assert found.harm == {}
    assert found.states > 10_000


@pytest.mark.long
@pytest.mark.parametrize("bound", [TWO_UNDOS, TWO_DRIVERS], ids=["undos", "drivers"])
def test_two_at_once_lose_no_value(bound: Bound) -> None:
    """The same command twice, or a paused driver that reads in an older schema."""
    found = explore(RAW, bound)

    assert found.harm == {}
    assert found.states > 100_000


RESCUED = "value rescued without need"
RESTARTED = "query started twice again for one batch"
MUTANTS: dict[str, tuple[Rules, Bound, str]] = {
    "versions overwritten": (replace(RAW, versions_stand=False), ONE_DRIVER, RESCUED),
    "version of one record": (
        replace(RAW, whole_batch_evolved=False),
        ONE_DRIVER,
        RESTARTED,
    ),
    "failed before saving": (
        replace(RAW, saved_before_failing=False),
        ONE_DRIVER,
        "stuck: UNKNOWN_FIELD_EXCEPTION",
    ),
    "older schema goes on": (
        replace(RAW, old_schema_fails=False),
        TWO_DRIVERS,
        RESCUED,
    ),
    "undone fields forgotten": (
        replace(RAW, undo_is_remembered=False),
        ONE_DRIVER,
        RESCUED,
    ),
    "undo repeated by its version alone": (
        replace(RAW, undo_looks_for_values=False),
        ONE_DRIVER,
        "value left by an undo",
    ),
    "commits of undos do not conflict": (
        replace(RAW, updates_conflict=False),
        TWO_UNDOS,
        "value doubled",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize(("rules", "bound", "harm"), MUTANTS.values(), ids=MUTANTS)
def test_schemas_without_a_rule_do_harm(rules: Rules, bound: Bound, harm: str) -> None:
    """The exploration finds what each rule is there for, so it can fail."""
    assert harm in explore(rules, bound, until=harm).harm
