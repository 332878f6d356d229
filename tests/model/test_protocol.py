"""Each file once, in every order of events: the protocol's model, explored whole.

The harm that is looked for: a file ``doubled`` in the table, one ``lost`` once a last
run has ended, a last run that is ``stuck``, a preflight that refuses without need.
Where it refuses, the command that it names is given, and then there must be none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, Transaction

from sluice.delta.tables import append_once, read_table
from sluice.ledger.ledger import Ledger
from support.protocol_model import Driver, Rules, Store
from support.protocol_search import (
    Bound,
    Mishap,
    empty_logs,
    empty_table,
    explore,
    lose_checkpoint,
    lose_commit_log,
    lose_ledger,
    restore_table,
    rewind_checkpoint,
    rewind_files,
    rewind_ledger,
    rewind_table,
)
from support.protocol_steps import advance

JOB = Rules()
RAW = Rules(preflight=False)
OVERWRITING = {"logs_refuse": False}
TWO_DRIVERS = Bound(files=2)
# The preflight cannot know that the files would get their old numbers again by chance,
# nor that an emptied checkpoint still has its query id, so it refuses these too.
CAUTIOUS = {
    "refused needlessly: CHECKPOINT_LOST",
    "refused needlessly: LEDGER_REWOUND",
}
# Nor does it trust a repaired checkpoint that lacks its one commit, or a table from
# before the repair, though the rows would be right.
CAUTIOUS_ABOUT_REPAIRS = {
    "refused needlessly: CHECKPOINT_UNREADABLE",
    "refused needlessly: TABLE_REWOUND",
}
REFUSED: dict[Mishap, set[str]] = {
    rewind_checkpoint: set(),
    lose_commit_log: set(),
    empty_logs: {"CHECKPOINT_LOST"},
    lose_checkpoint: {"CHECKPOINT_LOST"},
    lose_ledger: {"LEDGER_MISMATCH"},
    rewind_ledger: {"LEDGER_REWOUND"},
    rewind_files: {"LEDGER_REWOUND"},
    rewind_table: {"TABLE_REWOUND"},
    restore_table: {"TABLE_REWOUND"},
    empty_table: {"TABLE_REWOUND"},
}


def one_driver(*mishaps: Mishap, **keys: int) -> Bound:
    """Return a bound of runs one after the other, with mishaps between them."""
    return Bound(alive=1, mishaps=mishaps, **keys)


def test_two_drivers_killed_anywhere_write_every_file_once() -> None:
    """Kills, pauses and arrivals at any moment, and runs of different limits."""
    found = explore(JOB, Bound(files=3))

    assert found.harm == {}
    assert found.refused == set()
    assert found.states > 100_000


def test_checkpoint_that_overwrites_is_safe_by_the_claims() -> None:
    """Object stores let Spark's logs be written twice: no promise rests on them."""
    found = explore(replace(JOB, **OVERWRITING), TWO_DRIVERS)

    assert found.harm == {}


@pytest.mark.parametrize("mishap", REFUSED, ids=lambda mishap: mishap.__name__)
def test_mishap_is_survived_or_refused(mishap: Mishap) -> None:
    """Whatever is lost or set back: going on is right, or so once it is repaired."""
    found = explore(JOB, one_driver(mishap))

    assert set(found.harm) <= CAUTIOUS
    assert found.refused == REFUSED[mishap]


def test_two_mishaps_together_are_survived_or_refused() -> None:
    """Backups of different ages meet: each pair of mishaps, in either order."""
    found = explore(JOB, one_driver(*REFUSED, most_mishaps=2))

    assert set(found.harm) <= CAUTIOUS


def test_repair_killed_anywhere_loses_and_doubles_nothing() -> None:
    """The next repair finishes it, and no run begins before that."""
    found = explore(JOB, one_driver(*REFUSED, most_repairs=2))

    assert set(found.harm) <= CAUTIOUS
    assert "REPAIR_UNFINISHED" in found.refused


def test_checkpoint_set_back_under_a_living_driver_harms_no_row() -> None:
    """Spark may stop for good at the gap that the driver leaves, but loudly."""
    bound = Bound(files=2, mishaps=(rewind_checkpoint,), beside_drivers=True)

    assert not {"lost", "doubled"} & set(explore(JOB, bound).harm)


@pytest.mark.parametrize(
    "bound", [TWO_DRIVERS, one_driver(rewind_checkpoint)], ids=["two", "rewound"]
)
def test_stream_without_preflight_is_exact(bound: Bound) -> None:
    """A plain ``readStream`` has the ledger and its claims, and needs no more here."""
    assert explore(RAW, bound).harm == {}


@pytest.mark.parametrize(
    ("rules", "bound"),
    [
        (RAW, one_driver(empty_logs)),
        (replace(RAW, **OVERWRITING), TWO_DRIVERS),
    ],
    ids=["emptied", "overwritten"],
)
def test_empty_first_batch_is_claimed_as_any_other(rules: Rules, bound: Bound) -> None:
    """Spark runs a batch 0 where nothing has landed; it never gets files.

    A stream without our preflight can begin so.
    """
    assert explore(rules, bound).harm == {}


def test_two_first_drivers_have_one_query_id() -> None:
    """The preflight gives it, where Spark would let the second overwrite the first."""
    found = explore(replace(JOB, metadata_refuses=False, **OVERWRITING), TWO_DRIVERS)

    assert found.harm == {}


TORN = "refused by a torn read: "
REPAIRED = one_driver(*REFUSED, files=2, most_repairs=2)
MUTANTS: dict[str, tuple[Rules, Bound, str]] = {
    "rewound without claims": (
        replace(RAW, claims=False),
        one_driver(rewind_checkpoint),
        "lost",
    ),
    "overwritten without claims": (
        replace(RAW, claims=False, **OVERWRITING),
        TWO_DRIVERS,
        "lost",
    ),
    "claim after the offset log": (
        replace(RAW, claim_before_offsets=False),
        one_driver(rewind_checkpoint),
        "lost",
    ),
    "last claim stands": (
        replace(RAW, first_claim_stands=False),
        one_driver(rewind_checkpoint),
        "lost",
    ),
    "claims appended by path": (
        replace(RAW, claims_through_snapshot=False, **OVERWRITING),
        TWO_DRIVERS,
        "stuck: CLAIM_CONFLICT",
    ),
    "files appended by path": (
        replace(JOB, files_through_snapshot=False),
        TWO_DRIVERS,
        "stuck: LEDGER_UNREADABLE",
    ),
    "files appended by path, ranges not counted": (
        replace(JOB, files_through_snapshot=False, ranges_counted=False),
        TWO_DRIVERS,
        "doubled",
    ),
    "known files appended": (replace(JOB, anti_join=False), one_driver(), "doubled"),
    "offsets without the ledger's id": (
        replace(RAW, offsets_name_the_ledger=False),
        one_driver(lose_ledger),
        "stuck: CLAIM_CONFLICT",
    ),
    "neither the ledger's id nor claims": (
        replace(RAW, offsets_name_the_ledger=False, claims=False),
        one_driver(lose_ledger),
        "doubled",
    ),
    "sink without transactions": (
        replace(JOB, sink_transactions=False),
        one_driver(),
        "doubled",
    ),
    "two query ids": (
        replace(JOB, query_id_by_preflight=False, metadata_refuses=False),
        TWO_DRIVERS,
        "doubled",
    ),
    "first batch not claimed": (
        replace(RAW, first_batch_claimed=False),
        one_driver(empty_logs),
        "lost",
    ),
    "table RESTOREd, rows not looked at": (
        replace(JOB, rows_looked_at=False),
        one_driver(restore_table),
        "lost",
    ),
    "table emptied, rows not looked at": (
        replace(JOB, rows_looked_at=False),
        one_driver(empty_table),
        "lost",
    ),
    "table back, no preflight": (RAW, one_driver(rewind_table), "lost"),
    "checkpoint lost, no preflight": (RAW, one_driver(lose_checkpoint), "doubled"),
    "ledger back, no preflight": (RAW, one_driver(rewind_ledger), "doubled"),
    "repair not written down, and resumed as it was decided": (
        replace(JOB, repair_written_down=False, repair_decided_again=False),
        REPAIRED,
        "doubled",
    ),
    "repair resumed on another table": (
        replace(JOB, repair_decided_again=False),
        replace(REPAIRED, most_mishaps=2),
        "lost",
    ),
    "repair under the old query id": (
        replace(JOB, repair_has_new_query_id=False),
        REPAIRED,
        "refused after a repair: TABLE_REWOUND",
    ),
    "repair without a transaction": (
        replace(JOB, repair_tells_the_table=False),
        REPAIRED,
        "refused after a repair: TABLE_REWOUND",
    ),
    "offsets listed before commits": (
        replace(JOB, commits_before_offsets=False),
        TWO_DRIVERS,
        TORN + "CHECKPOINT_UNREADABLE",
    ),
    "claims read before the table": (
        replace(JOB, table_before_claims=False),
        TWO_DRIVERS,
        TORN + "LEDGER_REWOUND",
    ),
    "checkpoint looked at once": (
        replace(JOB, checkpoint_looked_at_again=False),
        TWO_DRIVERS,
        TORN + "CHECKPOINT_LOST",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize(("rules", "bound", "harm"), MUTANTS.values(), ids=MUTANTS)
def test_protocol_without_a_rule_does_harm(
    rules: Rules, bound: Bound, harm: str
) -> None:
    """The exploration finds what each rule is there for, so it can fail."""
    assert harm in explore(rules, bound, until=harm).harm


@pytest.mark.long
def test_repairs_between_mishaps_lose_and_double_nothing() -> None:
    """What was repaired is damaged again, or a repair is cut off and then is."""
    bound = one_driver(*REFUSED, files=2, most_mishaps=2, most_repairs=2)

    assert set(explore(JOB, bound).harm) <= CAUTIOUS | CAUTIOUS_ABOUT_REPAIRS


@pytest.mark.long
def test_two_drivers_after_mishaps_write_every_file_once() -> None:
    """A third run, and every mishap between runs that overlap."""
    bound = Bound(files=2, limits=(1, 2, 1), mishaps=tuple(REFUSED))

    assert set(explore(JOB, bound).harm) <= CAUTIOUS


def test_double_refuses_stale_snapshots_as_the_real_ledger_does(
    tmp_path: Path,
) -> None:
    """The model is worth as much as its storage: Delta refuses the second append."""
    ledger = Ledger.open_or_create(str(tmp_path))
    for name in ("files", "claims"):
        location = f"{ledger.root}/{name}"
        first, stale = DeltaTable(location), DeltaTable(location)
        rows = pa.Table.from_pylist([], schema=read_table(first).schema)
        assert append_once(first, rows, Transaction(name, 1))
        assert not append_once(stale, rows, Transaction(name, 1))

    landed = Store(landed=1, ledgers_made=1, ledger=1)
    discoverer = Driver("append_files", 0, 1, listed=1)
    appended, _ = advance(JOB, landed, discoverer)
    assert advance(JOB, appended, discoverer)[0] == appended
    claimer = Driver("claim", 0, 1, end=1)
    claimed, _ = advance(JOB, appended, claimer)
    assert advance(JOB, claimed, claimer) == (claimed, claimer._replace(step="plan"))
