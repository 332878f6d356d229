"""Keys that come twice in one micro-batch, or in one replay: marked, or refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sluice.audit import run_audit
from sluice.bronze.run import run_bronze
from sluice.config import PipelineConfig
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError, UsageError
from sluice.history.violations import total_violations
from sluice.replay.run import run_replay
from sluice.replay.select import Selection
from support.delta_rows import read_delta
from support.ruled import DDL, POSITIVE, counts, land, quarantined

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]


def configured(
    lake: Path, on_duplicate: str, *keys: str, positive: str = "warn"
) -> PipelineConfig:
    """Return a pipeline in which two columns are a key, and an amount not negative."""
    bronze = {
        "source": {"schema": DDL},
        "unique_key": keys or ["amount", "method"],
        "on_duplicate": on_duplicate,
        "expectations": {"positive": {**POSITIVE, "on_violation": positive}},
    }
    content = {"name": "orders", "lake": str(lake), "bronze": bronze}
    config = PipelineConfig.model_validate(content)
    Path(config.landing_location).mkdir(parents=True, exist_ok=True)
    return config


def marks(config: PipelineConfig) -> dict[str, str | None]:
    """Return by order what the table says that it violates."""
    rows = read_delta(config.bronze_location).to_pylist()
    return {row["order_id"]: row["_violations"] for row in rows}


def test_copies_of_a_key_are_marked_and_counted(tmp_path: Path) -> None:
    """All of them, of a micro-batch; a later one stands alone, and so does null.

    A replay judges what it reads together, here one of the files.
    """
    config = configured(tmp_path, "warn")
    first = land(config, "a.json", (1, "card"), (-2, "card"), (None, "card"))
    second = land(config, "b.json", (-2, "card"), (-2, "cash"), (None, "card"))
    run_bronze(config, run_id="run-1")
    land(config, "c.json", (1, "card"))
    run_bronze(config, run_id="run-2")

    copy = "positive,unique_key"
    assert marks(config) == {
        "a.json-0": None,
        "a.json-1": copy,
        "a.json-2": "positive",
        "b.json-0": copy,
        "b.json-1": "positive",
        "b.json-2": "positive",
        "c.json-0": None,
    }
    columns = open_table(config.bronze_location).schema().fields
    assert not [each.name for each in columns if each.name.startswith("_sluice")]
    assert Counter(row[2:] for row in counts(config)) == Counter(
        [
            (first, "positive", 2),
            (first, "unique_key", 1),
            (second, "positive", 3),
            (second, "unique_key", 1),
        ]
    )
    assert total_violations(config)["unique_key"]["rows"] == 2
    (found,) = run_audit(config).findings
    assert (found.code, found.evidence[:6]) == ("KEY_DUPLICATED", "3 keys")

    run_replay(config, Selection(globs=("b.json",)), run_id="replay")
    assert marks(config)["b.json-0"] == "positive"
    assert marks(config)["a.json-1"] == copy
    assert counts(config)[-1][2:] == (second, "unique_key", 0)


def test_a_key_that_comes_twice_ends_the_run(tmp_path: Path) -> None:
    """Nothing of the micro-batch is written; rule, rows and files are named."""
    config = configured(tmp_path, "fail")
    first = land(config, "a.json", (1, "card"), (2, "card"))
    second = land(config, "b.json", (1, "card"), (3, "card"))

    with pytest.raises(FatalError) as caught:
        run_bronze(config, run_id="run-1")

    error = caught.value
    assert error.condition is Condition.EXPECTATION_VIOLATED
    assert error.context == {"rules": ["unique_key"], "paths": [first, second]}
    assert (
        "rule 'unique_key', '_sluice_rows_of_key = 1': 2 rows of 2 f" in error.message
    )
    assert '{"order_id":"a.json-0","amount":1.0,"method":"card"}' in error.message
    assert open_table(config.bronze_location) is None
    warned = configured(tmp_path, "warn")
    run_bronze(warned, run_id="run-2")
    assert len(marks(warned)) == 4


@pytest.mark.long
def test_a_copy_in_quarantine_counts(tmp_path: Path) -> None:
    """The row that goes to bronze is marked too; it is there once after a replay."""
    config = configured(tmp_path, "warn", "method", positive="quarantine")
    land(config, "a.json", (1, "card"), (-2, "card"), (3, "cash"))
    run_bronze(config, run_id="run-1")
    for _ in range(2):
        assert marks(config) == {"a.json-0": "unique_key", "a.json-2": None}
        assert quarantined(config) == {"a.json-1": "positive,unique_key"}
        run_replay(config, Selection(globs=("a.json",)), run_id="replay")


def test_a_key_that_rows_do_not_have_is_refused(tmp_path: Path) -> None:
    """Before anything is written."""
    config = configured(tmp_path, "warn", "order", "method")
    land(config, "a.json", (1, "card"))

    with pytest.raises(UsageError, match=r"unique_key .* has no columns \['order'\]"):
        run_bronze(config, run_id="run-1")
    assert open_table(config.bronze_location) is None
