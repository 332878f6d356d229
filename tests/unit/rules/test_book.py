"""What refuses a run, from facts that are made by hand: nothing is read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sluice.checkpoint import CheckpointFacts
from sluice.checkpoint.parse import ADOPTS, CommitEntry, OffsetEntry
from sluice.errors import Condition, FatalError
from sluice.ledger.ledger import Ledger, LedgerHead
from sluice.pipeline import LandedFiles, Query, TableRows
from sluice.rules.book import SILVER_ALONE, find_refusal
from sluice.rules.facts import QueryFacts, TableHead
from sluice.rules.findings import Code
from sluice.rules.rule import Mend
from sluice.versions import ledger_offset


def checkpoint(
    *ends: object, commits: int | None = None, adopts: bool = False, **keys: Any
) -> CheckpointFacts:
    """Return a checkpoint of micro-batches with these offsets."""
    conf = {ADOPTS: "true"} if adopts else {}
    offsets = {
        batch: OffsetEntry(batch, 1, 0, 0, conf, (json.dumps(end),))
        for batch, end in enumerate(ends)
    }
    done = range(len(ends) if commits is None else commits)
    facts = CheckpointFacts(
        "/checkpoint", "q", offsets, {batch: CommitEntry(batch, 1, 0) for batch in done}
    )
    return replace(facts, **keys)


def seq(number: int, ledger: str = "ledger") -> dict[str, object]:
    """Return an offset of bronze."""
    return ledger_offset(ledger, number)


def read_next(version: int, table: str = "bronze") -> dict[str, object]:
    """Return an offset of silver."""
    return {"reservoirId": table, "reservoirVersion": version, "index": -1}


def head(newest: int | None, version: int = 1, *, files: bool = True) -> TableHead:
    """Return a table whose newest micro-batch is ``newest``."""
    return TableHead(
        table_id="bronze", version=version, has_files=files, newest_transaction=newest
    )


def ledger(high: int, claimed: int | None, name: str = "ledger") -> LedgerHead:
    """Return how far a ledger has come."""
    opened = Ledger("/ledger", name)
    return LedgerHead(ledger=opened, high_seq=high, claimed_up_to=claimed)


TWO = checkpoint(seq(2), seq(4))
LOST = checkpoint(seq(2), seq(4), query_id=None)
ENDS = TWO.offsets
BRONZE = QueryFacts(
    query=Query("bronze", "/checkpoint", "/bronze", LandedFiles("/schemas")),
    checkpoint=TWO,
    table=head(1),
    ledger=ledger(4, 4),
    planned_later=1,
)
DEFINED = '{"window": "5 minutes"}'
READ = checkpoint(read_next(1), read_next(2))
SILVER = QueryFacts(
    query=Query(
        "windows", "/silver/checkpoint", "/silver", TableRows("/bronze"), DEFINED
    ),
    checkpoint=READ,
    table=head(1),
    source=head(None, 1),
    planned_later=1,
)
NEW = {"checkpoint": None, "planned_later": -1}

BRONZE_FITS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "nothing yet": NEW | {"table": None, "ledger": None},
    "an empty table made before": NEW | {"table": head(None, files=False)},
    "another driver began meanwhile": NEW | {"planned_later": 0},
    "newest batch in the table, not committed": {
        "checkpoint": checkpoint(seq(2), seq(4), commits=1)
    },
    "newest batch not in the table": {
        "checkpoint": checkpoint(seq(2), seq(4), commits=1),
        "table": head(0),
    },
    "set back, with claims": {"table": head(3), "later_claims": 2},
    "files not claimed": {"ledger": ledger(9, 4)},
    "claims not planned": {"ledger": ledger(9, 6)},
    "all commits lost": {"checkpoint": checkpoint(seq(2), seq(4), commits=0)},
}


@pytest.mark.parametrize("changed", BRONZE_FITS.values(), ids=BRONZE_FITS)
def test_bronze_that_fits_is_let_pass(changed: dict[str, Any]) -> None:
    """What a crash or another driver leaves is nothing to refuse."""
    assert find_refusal(replace(BRONZE, **changed)) is None


BRONZE_REFUSED: dict[str, tuple[dict[str, Any], Code, Condition]] = {
    "checkpoint damaged": (
        {"checkpoint": None, "damage": "'offsets/1' is torn", "planned_later": -1},
        Code.CHECKPOINT_UNREADABLE,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "ledger damaged": (
        {"ledger": None, "ledger_damage": "a file is gone"},
        Code.LEDGER_UNREADABLE,
        Condition.LEDGER_UNREADABLE,
    ),
    "table damaged": (
        {"table": None, "table_damage": "a commit is torn"},
        Code.TABLE_UNREADABLE,
        Condition.TABLE_UNREADABLE,
    ),
    "checkpoint lost": (NEW, Code.CHECKPOINT_LOST, Condition.CHECKPOINT_LOST),
    "logs emptied, the table without rows": (
        {
            "checkpoint": checkpoint(),
            "planned_later": -1,
            "table": head(0, files=False),
        },
        Code.CHECKPOINT_LOST,
        Condition.CHECKPOINT_LOST,
    ),
    "metadata lost": (
        {"checkpoint": LOST},
        Code.METADATA_MISSING,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "the offsets before the newest lost": (
        {"checkpoint": replace(TWO, offsets={1: ENDS[1]})},
        Code.OFFSETS_MISSING,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "the newest offsets lost": (
        {"checkpoint": replace(TWO, offsets={0: ENDS[0]})},
        Code.CHECKPOINT_AHEAD,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "all offsets lost, no table": (
        {
            "checkpoint": replace(TWO, offsets={}),
            "table": None,
            "planned_later": -1,
        },
        Code.CHECKPOINT_AHEAD,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "the one commit of a repair lost": (
        {"checkpoint": checkpoint(seq(4), commits=0, adopts=True), "table": head(0)},
        Code.COMMIT_MISSING,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "of another source": (
        {"checkpoint": checkpoint(read_next(1), read_next(2))},
        Code.CHECKPOINT_UNREADABLE,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "ledger lost": ({"ledger": None}, Code.LEDGER_LOST, Condition.LEDGER_MISMATCH),
    "ledger replaced": (
        {"ledger": ledger(4, 4, "other")},
        Code.LEDGER_MISMATCH,
        Condition.LEDGER_MISMATCH,
    ),
    "claims lost": (
        {"ledger": ledger(4, None)},
        Code.CLAIMS_LOST,
        Condition.LEDGER_REWOUND,
    ),
    "claims older": (
        {"ledger": ledger(4, 2)},
        Code.LEDGER_BEHIND,
        Condition.LEDGER_REWOUND,
    ),
    "files older": (
        {"ledger": ledger(3, 4)},
        Code.LEDGER_BEHIND,
        Condition.LEDGER_REWOUND,
    ),
    "table lost": ({"table": None}, Code.TRANSACTION_MISSING, Condition.TABLE_REWOUND),
    "table older": (
        {"table": head(0)},
        Code.TRANSACTION_MISSING,
        Condition.TABLE_REWOUND,
    ),
    "table older, all commits lost": (
        {"checkpoint": checkpoint(seq(2), seq(4), commits=0), "table": None},
        Code.TRANSACTION_MISSING,
        Condition.TABLE_REWOUND,
    ),
    "set back, a claim missing": (
        {"table": head(3), "later_claims": 1},
        Code.LEDGER_BEHIND,
        Condition.LEDGER_REWOUND,
    ),
    "rows taken back": (
        {"taken_back": "all its rows were removed"},
        Code.TABLE_REWOUND,
        Condition.TABLE_REWOUND,
    ),
}


@pytest.mark.parametrize(
    ("changed", "code", "condition"), BRONZE_REFUSED.values(), ids=BRONZE_REFUSED
)
def test_bronze_that_does_not_fit_is_refused(
    changed: dict[str, Any], code: Code, condition: Condition
) -> None:
    """The same finding for a run, an audit and a repair."""
    refusal = find_refusal(replace(BRONZE, **changed))

    assert refusal is not None
    assert (refusal.code, refusal.condition) == (code, condition)
    assert refusal.to_finding("orders").code == code.name
    error = refusal.to_error("orders")
    assert isinstance(error, FatalError)
    assert refusal.evidence in error.message
    assert "{repair}" not in error.message
    is_mended = refusal.mend is not Mend.NOTHING
    names_repair = "'sluice checkpoint repair orders'" in error.message
    # Of a damaged ledger the reader has named the command.
    assert names_repair == is_mended or code in {
        Code.LEDGER_UNREADABLE,
        Code.CHECKPOINT_UNREADABLE,
    }


SILVER_FITS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "nothing yet": {**NEW, "table": None, "source": None},
    "newest batch not committed": {
        "checkpoint": checkpoint(read_next(1), read_next(2), commits=1)
    },
    "gone on meanwhile": {"table": head(2), "planned_later": 2},
    "defined as it was": {"begun_as": '{"window": "5 minutes"}'},
    "not begun, and defined otherwise": {**NEW, "table": None, "begun_as": "{}"},
    "bronze has more": {"source": head(None, 7)},
    "no commit yet, no state": {
        "checkpoint": checkpoint(read_next(1), commits=0),
        "table": None,
        "has_state": False,
    },
}


@pytest.mark.parametrize("changed", SILVER_FITS.values(), ids=SILVER_FITS)
def test_silver_that_fits_is_let_pass(changed: dict[str, Any]) -> None:
    """Also where its query goes on while it is looked at."""
    assert find_refusal(replace(SILVER, **changed)) is None


SILVER_REFUSED: dict[str, tuple[dict[str, Any], Code, Condition]] = {
    "checkpoint lost": (NEW, Code.CHECKPOINT_LOST, Condition.CHECKPOINT_LOST),
    "state lost": (
        {"has_state": False},
        Code.CHECKPOINT_UNREADABLE,
        Condition.CHECKPOINT_UNREADABLE,
    ),
    "defined otherwise": (
        {"begun_as": '{"window": "1 hour"}'},
        Code.DEFINITION_CHANGED,
        Condition.DEFINITION_CHANGED,
    ),
    "set back": (
        {"table": head(2)},
        Code.SILVER_REWOUND,
        Condition.CHECKPOINT_REWOUND,
    ),
    "table lost": ({"table": None}, Code.TRANSACTION_MISSING, Condition.TABLE_REWOUND),
    "rows taken back": (
        {"taken_back": "a RESTORE took back what versions 1 added"},
        Code.TABLE_REWOUND,
        Condition.TABLE_REWOUND,
    ),
    "bronze lost": ({"source": None}, Code.TABLE_REWOUND, Condition.TABLE_REWOUND),
    "bronze set back": (
        {"source": head(None, 0)},
        Code.TABLE_REWOUND,
        Condition.TABLE_REWOUND,
    ),
    "bronze's log expired": (
        {"expired": 2},
        Code.SOURCE_EXPIRED,
        Condition.SOURCE_EXPIRED,
    ),
    "bronze replaced": (
        {"checkpoint": checkpoint(read_next(1), read_next(2, "other"))},
        Code.TABLE_REWOUND,
        Condition.TABLE_REWOUND,
    ),
    "bronze damaged": (
        {"source": None, "source_damage": "a commit is torn"},
        Code.TABLE_UNREADABLE,
        Condition.TABLE_UNREADABLE,
    ),
}


@pytest.mark.parametrize(
    ("changed", "code", "condition"), SILVER_REFUSED.values(), ids=SILVER_REFUSED
)
def test_silver_that_does_not_fit_is_refused(
    changed: dict[str, Any], code: Code, condition: Condition
) -> None:
    """It has no claims: under an old batch id it would read other rows."""
    refusal = find_refusal(replace(SILVER, **changed))

    assert refusal is not None
    assert (refusal.code, refusal.condition) == (code, condition)


def test_silver_alone_says_nothing_of_bronze() -> None:
    """What is wrong with bronze is bronze's finding."""
    assert find_refusal(replace(SILVER, source=None), SILVER_ALONE) is None


def test_first_rule_wins() -> None:
    """A later rule relies on those before it."""
    facts = replace(BRONZE, checkpoint=LOST, ledger=None, table=None)

    refusal = find_refusal(facts)

    assert refusal is not None
    assert refusal.context["missing"] == ["metadata"]
