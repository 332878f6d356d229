"""``sluice rules NAME suggest`` over a table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake

from sluice.config import PipelineConfig, load_pipeline
from sluice.errors import UsageError
from sluice.quality.suggest import suggest_rules
from support.command_line import command_line

ROWS = 400


def pipeline(folder: Path) -> PipelineConfig:
    """Return a pipeline of its own file, whose bronze table is not there yet."""
    file = folder / "orders.yaml"
    file.write_text(f"name: orders\nlake: {folder / 'lake'}\n")
    return load_pipeline(str(file))


def put(config: PipelineConfig, rows: int = ROWS, *, statuses: int = 10) -> None:
    """Write a bronze table with columns of each kind."""
    numbers = range(rows)
    columns = {
        "id": [str(number) for number in numbers],
        "Status": [None if n % 50 == 0 else f"s{n % statuses}" for n in numbers],
        "amount": pa.array([number / 4 for number in numbers]),
        "balance": [10 - number for number in numbers],
        "tags": [[str(number)] for number in numbers],
        "at least": [number % 3 == 0 for number in numbers],
        "_source_file": ["/landing/a.json"] * rows,
    }
    mapped = pa.table(columns).rename_columns(
        [each.replace(" ", "_") for each in columns]
    )
    write_deltalake(config.bronze_location, mapped)


def test_rules_are_those_of_the_rows(tmp_path: Path) -> None:
    """Nested columns and those that bronze adds are left out."""
    config = pipeline(tmp_path)
    put(config)

    known = ", ".join(f"'s{number}'" for number in range(10))
    assert suggest_rules(config) == {
        "id_not_null": "`id` IS NOT NULL",
        "status_known": f"`Status` IN ({known}) OR `Status` IS NULL",
        "amount_not_null": "`amount` IS NOT NULL",
        "amount_not_negative": "`amount` >= 0",
        "balance_not_null": "`balance` IS NOT NULL",
        "at_least_not_null": "`at_least` IS NOT NULL",
    }


def test_texts_that_are_many_are_no_list(tmp_path: Path) -> None:
    """Eleven are one too many."""
    config = pipeline(tmp_path)
    put(config, statuses=11)

    assert "status_known" not in suggest_rules(config)


def test_too_few_rows_teach_nothing(tmp_path: Path) -> None:
    """Nor does a table that is not there."""
    config = pipeline(tmp_path)
    with pytest.raises(UsageError, match="has 0 rows"):
        suggest_rules(config)
    put(config, rows=99)
    with pytest.raises(UsageError, match=r"has 99 rows, .*learned from 100"):
        suggest_rules(config)


def test_what_is_printed_is_a_part_of_a_pipeline_file(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pasted into it, there is nothing left to propose."""
    config, sluice = pipeline(tmp_path), command_line(capsys, monkeypatch)
    put(config)
    file = tmp_path / "orders.yaml"

    code, printed, _ = sluice("rules", str(file), "suggest")
    assert code == 0
    file.write_text(file.read_text() + printed)

    rules = load_pipeline(str(file)).bronze.expectations
    assert len(rules) == 6
    assert {each.on_violation for each in rules.values()} == {"warn"}
    assert yaml.safe_load(printed)["bronze"]["expectations"].keys() == rules.keys()
    nothing = "nothing to propose that is not expected already\n"
    assert sluice("rules", str(file), "suggest") == (0, nothing, "")
