"""Expectations of bronze on a real Spark: which rows violate, and what is kept."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sluice.audit import run_audit
from sluice.bronze.run import run_bronze
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError, UsageError
from sluice.history import archive_history
from sluice.history.violations import total_violations
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from support.command_line import Sluice, command_line
from support.ruled import DDL, KNOWN, POSITIVE, configured, counts, land, violations

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]


def test_warned_rows_are_kept_and_counted(tmp_path: Path) -> None:
    """By micro-batch, file and rule, of the same write; null is not true."""
    config = configured(tmp_path, positive=POSITIVE, known=KNOWN)
    first = land(config, "a.json", (1, "card"), (-1, "card"), (None, None))
    second = land(config, "b.json", (2, "cash"), (-2, "cash"))

    summary = run_bronze(config, run_id="run-1")

    assert violations(config) == {
        "a.json-0": None,
        "a.json-1": "positive",
        "a.json-2": "positive,known",
        "b.json-0": None,
        "b.json-1": "positive",
    }
    expected = [
        ("run-1", 0, first, "known", 1),
        ("run-1", 0, first, "positive", 2),
        ("run-1", 1, second, "positive", 1),
    ]
    assert counts(config) == expected
    assert summary.notes == (
        f"rule 'known': 1 rows of 1 files violate it, as of {first}",
        f"rule 'positive': 3 rows of 2 files violate it, as of {first}",
    )
    archive_history(config)
    assert counts(config) == expected
    assert run_audit(config).findings == ()


def test_table_without_the_column_gets_it(tmp_path: Path) -> None:
    """Rules come to a table that has rows; the next run names its own alone."""
    plain = configured(tmp_path)
    land(plain, "a.json", (-1, "card"))
    run_bronze(plain, run_id="run-1")
    config = configured(tmp_path, positive=POSITIVE)
    path = land(config, "b.json", (-1, "card"))

    summary = run_bronze(config, run_id="run-2")

    assert violations(config) == {"a.json-0": None, "b.json-0": "positive"}
    assert counts(config) == [("run-2", 1, path, "positive", 1)]
    assert len(summary.notes) == 1


@pytest.mark.parametrize(
    "expect",
    ["amonut > 0", "amount", "sum(amount) > 0", "no_such(amount)", "uuid7() > method"],
)
def test_expression_that_spark_cannot_analyse_is_refused(
    tmp_path: Path, expect: str
) -> None:
    """Before anything is written, naming the rule and the columns that there are."""
    config = configured(tmp_path, wrong={"expect": expect})
    land(config, "a.json", (1, "card"))

    with pytest.raises(UsageError, match=r"expectations\.wrong: .*'amount'") as caught:
        run_bronze(config, run_id="run-1")

    assert caught.value.condition is Condition.CONFIG_INVALID
    assert open_table(config.bronze_location) is None


def test_failing_rule_writes_nothing_of_the_batch(tmp_path: Path) -> None:
    """It names rule, rows and files, and the batch comes again when it is mended."""
    failing = KNOWN | {"on_violation": "fail"}
    config = configured(tmp_path, positive=POSITIVE, known=failing)
    land(config, "a.json", (1, "card"), (-1, "cash"))
    path = land(config, "b.json", (2, "card"), (3, "gold"), (4, "\x1b[2J"), (5, "cash"))
    land(config, "c.json", (6, "card"))

    with pytest.raises(FatalError) as caught:
        run_bronze(config, run_id="run-1")

    error = caught.value
    assert error.condition is Condition.EXPECTATION_VIOLATED
    assert error.context == {"rules": ["known"], "paths": [path]}
    sql = KNOWN["expect"]
    assert f"rule 'known', \"{sql}\": 2 rows of 1 files violate it: " in error.message
    row = '{"order_id":"b.json-1","amount":3.0,"method":"gold"}'
    assert f"{path!r} (2 rows, as {row})" in error.message
    assert violations(config) == {"a.json-0": None, "a.json-1": "positive"}

    mended = configured(tmp_path, positive=POSITIVE, known=KNOWN)
    run_bronze(mended, run_id="run-2")

    assert Counter(each.split("-")[0] for each in violations(mended)) == {
        "a.json": 2,
        "b.json": 4,
        "c.json": 1,
    }
    assert run_audit(mended).findings == ()


@pytest.mark.long
def test_replay_counts_again(tmp_path: Path) -> None:
    """What was read before counts no more; a rule that fails leaves all as it was."""
    config = configured(tmp_path, positive=POSITIVE)
    path = land(config, "a.json", (-1, "card"), (-2, "card"))
    land(config, "b.json", (-3, "card"))
    run_bronze(config, run_id="run-1")
    land(config, "a.json", (1, "card"), (-2, "gold"))
    replayed = Selection(globs=("a.json",))
    failing = configured(tmp_path, known=KNOWN | {"on_violation": "fail"})

    with pytest.raises(FatalError, match=r"rule 'known'.*1 rows of 1 files") as caught:
        run_replay(failing, replayed, run_id="replay-1")

    assert caught.value.condition is Condition.EXPECTATION_VIOLATED
    assert violations(config)["a.json-0"] == "positive"

    both = configured(tmp_path, positive=POSITIVE, known=KNOWN)
    run_replay(both, replayed, run_id="replay-2")

    assert violations(both) == {
        "a.json-0": None,
        "a.json-1": "positive,known",
        "b.json-0": "positive",
    }
    assert counts(both)[-2:] == [
        ("replay-2", None, path, "known", 1),
        ("replay-2", None, path, "positive", 1),
    ]
    assert total_violations(both)["positive"]["rows"] == 2


@pytest.fixture
def sluice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sluice:
    """Return the command."""
    return command_line(capsys, monkeypatch)


def test_command_lists_each_rule(tmp_path: Path, sluice: Sluice) -> None:
    """Also one that no row violates, and one that the file no longer has."""
    config = configured(tmp_path, positive=POSITIVE, known=KNOWN)
    path = land(config, "a.json", (-1, "card"), (-2, "card"))
    run_bronze(config, run_id="run-1")
    file = tmp_path / "orders.yaml"
    bronze = {"source": {"schema": DDL}, "expectations": {"known": KNOWN}}
    lake = str(tmp_path)
    file.write_text(json.dumps({"name": "orders", "lake": lake, "bronze": bronze}))

    shown = json.loads(sluice("rules", str(file), "--json")[1])

    by_rule = {each["rule"]: each for each in shown["rules"]}
    assert list(by_rule) == ["known", "positive"]
    assert (by_rule["known"]["rows"], by_rule["known"]["files"]) == (0, 0)
    removed = by_rule["positive"]
    assert (removed["on_violation"], removed["rows"]) == ("removed", 2)
    assert [each["path"] for each in shown["counts"]] == [path]
    assert "on_violation" in sluice("rules", str(file))[1]


ADD_CHECK = "ALTER TABLE {} ADD CONSTRAINT few CHECK (amount < 10)"
CREATE_NOT_NULL = (
    "CREATE TABLE {} (order_id string, amount double NOT NULL, _processing_date date) "
    "USING delta PARTITIONED BY (_processing_date)"
)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (ADD_CHECK, "few"),
        pytest.param(CREATE_NOT_NULL, "amount NOT NULL", marks=pytest.mark.long),
    ],
)
def test_rows_that_the_table_itself_refuses_are_named(
    spark: SparkSession, tmp_path: Path, statement: str, name: str
) -> None:
    """Delta names the constraint, and no file; which of them has the row is asked."""
    config = configured(tmp_path)
    if statement == CREATE_NOT_NULL:
        spark.sql(statement.format(f"delta.`{config.bronze_location}`"))
    land(config, "a.json", (1, "card"))
    run_bronze(config, run_id="run-1")
    if statement == ADD_CHECK:
        spark.sql(statement.format(f"delta.`{config.bronze_location}`"))
    land(config, "b.json", (2, "card"))
    bad = land(config, "c.json", (3, "card"), (None, "card"), (40, "card"))

    with pytest.raises(FatalError) as caught:
        run_bronze(config, run_id="run-2")

    assert caught.value.condition is Condition.QUERY_FAILED
    assert caught.value.context == {"rules": [name], "paths": [bad]}
    assert "write a rule of 'on_violation: quarantine'" in caught.value.message
