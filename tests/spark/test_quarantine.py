"""Rows that violate a rule of ``quarantine`` are in the table beside bronze, once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from sluice.audit import run_audit
from sluice.bronze import settle as settling
from sluice.bronze import split
from sluice.bronze.run import run_bronze
from sluice.bronze.settle import settle_quarantine
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError
from sluice.history.files import list_files
from sluice.history.replays import list_set_aside
from sluice.history.violations import total_violations
from sluice.ledger.damage import ledger_root
from sluice.preflight.run import preflight
from sluice.replay import commit as committing
from sluice.replay import run as replaying
from sluice.replay.commit import commit_rows
from sluice.replay.result import ReplayResult
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from sluice.resources import list_resources
from support.delta_rows import read_delta
from support.ruled import (
    KNOWN,
    POSITIVE,
    configured,
    counts,
    land,
    quarantined,
    violations,
)

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

HELD = POSITIVE | {"on_violation": "quarantine"}


def codes(config: PipelineConfig) -> list[str]:
    """Return the codes of what the audit finds."""
    return [each.code for each in run_audit(config).findings]


def by_file(config: PipelineConfig) -> dict[str, tuple[int | None, int | None]]:
    """Return rows in bronze and in quarantine, as ``sluice files`` has them."""
    files = list_files(config)
    return {Path(each.path).name: (each.rows, each.quarantined_rows) for each in files}


def test_rows_are_in_one_of_two_tables(tmp_path: Path) -> None:
    """With rules, file and micro-batch; ledger, tables and audit agree."""
    config = configured(tmp_path, positive=HELD, known=KNOWN)
    first = land(config, "a.json", (1, "card"), (-1, "gold"), (2, "gold"))
    second = land(config, "b.json", (-3, "cash"))
    land(config, "c.json", (4, "cash"))

    summary = run_bronze(config, run_id="run-1")

    assert violations(config) == {
        "a.json-0": None,
        "a.json-2": "known",
        "c.json-0": None,
    }
    assert quarantined(config) == {"a.json-1": "positive,known", "b.json-0": "positive"}
    rows = read_delta(config.quarantine_location).to_pylist()
    assert {(row["_source_file"], row["_quarantine_batch"]) for row in rows} == {
        (first, 0),
        (second, 1),
    }
    assert summary.counts == {
        "batches": 3,
        "files": 3,
        "rows": 3,
        "rescued_rows": 0,
        "quarantined_rows": 2,
    }
    assert counts(config) == [
        ("run-1", 0, first, "known", 1),
        ("run-1", 0, first, "known", 1),
        ("run-1", 0, first, "positive", 1),
        ("run-1", 1, second, "positive", 1),
    ]
    assert by_file(config) == {"a.json": (2, 1), "b.json": (0, 1), "c.json": (1, 0)}
    report = run_audit(config)
    assert [each.code for each in report.findings] == ["ROWS_QUARANTINED"]
    assert report.counts["rows in quarantine"] == 2
    (judged,) = Path(ledger_root(config.schema_location), "judged").iterdir()
    assert judged.stem.endswith("-2")
    kinds = {each.location: each.kind for each in list_resources(config)}
    assert kinds[config.quarantine_location] == "rows in quarantine"


def test_audit_finds_what_the_quarantine_lacks(tmp_path: Path) -> None:
    """By file: the rows that another writer takes out are named."""
    config = configured(tmp_path, positive=HELD)
    land(config, "a.json", (-1, "card"), (-2, "card"), (3, "card"))
    run_bronze(config, run_id="run-1")
    DeltaTable(config.quarantine_location).delete("amount = -1")

    report = run_audit(config)

    (finding,) = [each for each in report.findings if each.severity == "error"]
    assert finding.code == "QUARANTINE_DIFFERS"
    assert finding.evidence == "2 rows expected, 1 in quarantine"


def test_batch_that_is_cut_off_keeps_its_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row is in one table though the rules change between the two commits."""
    config = configured(tmp_path, positive=HELD)
    land(config, "a.json", (1, "card"), (-1, "card"))
    run_bronze(config, run_id="run-1")
    land(config, "b.json", (2, "card"), (-2, "card"))
    append = split._append

    def cut_off(rows: DataFrame, location: str, *rest: object) -> None:
        if location == config.bronze_location:
            raise FatalError(Condition.USAGE, "cut off")
        append(rows, location, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(split, "_append", cut_off)
        with pytest.raises(FatalError, match="cut off"):
            run_bronze(config, run_id="run-2")
    assert set(quarantined(config)) == {"a.json-1", "b.json-1"}
    assert set(violations(config)) == {"a.json-0"}
    unfinished = ["BATCH_UNFINISHED", "FILES_WAITING", "ROWS_QUARANTINED"]
    assert codes(config) == unfinished

    without = configured(tmp_path)
    land(without, "c.json", (-3, "card"))
    run_bronze(without, run_id="run-3")

    assert set(quarantined(config)) == {"a.json-1", "b.json-1"}
    assert set(violations(config)) == {"a.json-0", "b.json-0", "c.json-0"}
    assert codes(without) == ["ROWS_QUARANTINED"]
    assert DeltaTable(config.quarantine_location).version() == 1


@dataclass(frozen=True)
class Mended:
    """A file of which one of two quarantined rows is good by a new rule."""

    config: PipelineConfig

    def replay(self) -> ReplayResult:
        """Read the file again, by the new rule."""
        chosen = Selection(globs=("a.json",))
        return run_replay(self.config, chosen, run_id="replay-1")

    def where(self) -> tuple[set[str], set[str]]:
        """Return the orders in bronze and those in quarantine."""
        return set(violations(self.config)), set(quarantined(self.config))


@pytest.fixture
def mended(tmp_path: Path) -> Mended:
    """Return such a file, which was read by the old rule, and one beside it."""
    config = configured(tmp_path, files=2, positive=HELD)
    land(config, "a.json", (1, "card"), (-1, "card"), (-2, "card"))
    land(config, "b.json", (-1, "card"))
    run_bronze(config, run_id="run-1")
    lenient = HELD | {"expect": "amount >= -1"}
    return Mended(configured(tmp_path, positive=lenient))


AFTER = {"a.json-0", "a.json-1"}, {"a.json-2", "b.json-0"}
BEFORE = {"a.json-0"}, {"a.json-1", "a.json-2", "b.json-0"}


@pytest.mark.parametrize("more", [0, pytest.param(1, marks=pytest.mark.long)])
def test_replay_takes_in_what_is_good_now(mended: Mended, more: int) -> None:
    """Its rows are replaced in both tables, and every side agrees; twice as well."""
    (file,) = mended.replay().files
    for _ in range(more):
        mended.replay()

    assert (file.rows_out, file.rows_in, file.quarantined_rows) == (1, 2, 1)
    assert mended.where() == AFTER
    assert by_file(mended.config) == {"a.json": (2, 1), "b.json": (0, 1)}
    assert codes(mended.config) == ["ROWS_QUARANTINED"]
    assert total_violations(mended.config)["positive"]["rows"] == 2


@pytest.mark.long
def test_replay_that_ends_before_its_commit_changes_nothing(
    mended: Mended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither table; the audit is content, and a later replay does all of it."""
    with monkeypatch.context() as patched:
        patched.setattr(committing, "_try", _end)
        with pytest.raises(EndedError):
            mended.replay()
    assert not preflight(mended.config, run_id="run-2").bronze_has_work
    assert mended.where() == BEFORE
    assert codes(mended.config) == ["ROWS_QUARANTINED"]

    mended.replay()

    assert mended.where() == AFTER
    assert codes(mended.config) == ["ROWS_QUARANTINED"]


def test_replay_that_ends_after_its_commit_is_settled_by_the_next_run(
    mended: Mended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The landed file may be gone by then, and the run has no other work."""

    def commit_and_end(*given: object) -> None:
        commit_rows(*given)
        raise EndedError

    with monkeypatch.context() as patched:
        patched.setattr(replaying, "commit_rows", commit_and_end)
        with pytest.raises(EndedError):
            mended.replay()
    assert mended.where() == (AFTER[0], BEFORE[1])
    assert codes(mended.config) == ["ROWS_QUARANTINED"]

    found = preflight(mended.config, run_id="run-2")
    run_bronze(mended.config, run_id="run-2", found=found)

    assert mended.where() == AFTER
    assert codes(mended.config) == ["ROWS_QUARANTINED"]
    assert not preflight(mended.config, run_id="run-3").bronze_has_work


@pytest.mark.long
def test_replay_makes_the_quarantine(tmp_path: Path) -> None:
    """A rule that comes later moves rows out of bronze."""
    land(configured(tmp_path), "a.json", (1, "card"), (-1, "card"))
    run_bronze(configured(tmp_path), run_id="run-1")
    ruled = Mended(configured(tmp_path, positive=HELD))

    ruled.replay()

    assert ruled.where() == ({"a.json-0"}, {"a.json-1"})
    assert codes(ruled.config) == ["ROWS_QUARANTINED"]


@pytest.fixture
def unsettled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mended:
    """Return a replay that committed, and whose rows make the quarantine."""
    land(configured(tmp_path), "a.json", (1, "card"), (-1, "card"))
    run_bronze(configured(tmp_path), run_id="run-1")
    ruled = Mended(configured(tmp_path, positive=HELD))
    with monkeypatch.context() as patched:
        patched.setattr(replaying, "_follow", _end)
        patched.setattr(settling, "_settle", _end)
        with pytest.raises(EndedError):
            ruled.replay()
    return ruled


@pytest.mark.long
@pytest.mark.parametrize("is_over", [True, False])
def test_replay_is_settled_by_two_at_once(
    unsettled: Mended,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_over: bool,
) -> None:
    """Both see no quarantine; the rows are there once, whether or not one is over."""
    make, config = settling._make, unsettled.config

    def make_behind_another(*given: object) -> None:
        monkeypatch.setattr(settling, "_make", make)
        with monkeypatch.context() as patched:
            if not is_over:
                patched.setattr(settling, "discard_set_aside", lambda *_: None)
            settle_quarantine(spark, config)
        make(*given)

    monkeypatch.setattr(settling, "_make", make_behind_another)
    settle_quarantine(spark, config)

    assert unsettled.where() == ({"a.json-0"}, {"a.json-1"})
    assert not list_set_aside(config)
    assert codes(config) == ["ROWS_QUARANTINED"]


@pytest.mark.long
@pytest.mark.parametrize("is_cut_off", [True, False])
def test_replay_that_another_has_settled_is_left_alone(
    unsettled: Mended,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_cut_off: bool,
) -> None:
    """Also where that was killed as it removed the rows; what it left goes later."""
    config, listed = unsettled.config, list_set_aside(unsettled.config)
    with monkeypatch.context() as patched:
        if is_cut_off:
            patched.setattr(settling, "discard_set_aside", remove_record)
        settle_quarantine(spark, config)
    version = DeltaTable(config.quarantine_location).version()
    left = list(Path(config.schema_location, "_replays", "_rows").rglob("*.parquet"))
    assert bool(left) is is_cut_off
    for each in left:
        os.utime(each, (0, 0))

    monkeypatch.setattr(settling, "list_set_aside", lambda _: listed)
    settle_quarantine(spark, config)

    assert DeltaTable(config.quarantine_location).version() == version
    assert unsettled.where() == ({"a.json-0"}, {"a.json-1"})
    assert not any(each.exists() for each in left)


def remove_record(config: PipelineConfig, replay_id: str) -> None:
    """Do the first step of forgetting what a replay kept."""
    Path(config.schema_location, "_replays/_quarantine", f"{replay_id}.json").unlink()


class EndedError(Exception):
    """The process ends here."""


def _end(*_given: object) -> None:
    raise EndedError
