"""The bronze step end to end, read back by delta-rs."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from sluice.bronze.run import run_bronze
from sluice.config import PipelineConfig
from sluice.errors import Condition, FatalError, UsageError
from sluice.ledger.ledger import Ledger
from sluice.preflight.run import preflight
from support.delta_rows import read_delta
from support.killing import leave_unplanned

pytestmark = [pytest.mark.needs_java, pytest.mark.usefixtures("spark")]

DDL = "order_id string, amount double NOT NULL"


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    """Return a pipeline with an empty landing folder."""
    return configured(tmp_path)


def configured(lake: Path, ddl: str = DDL, **bronze: object) -> PipelineConfig:
    """Return a pipeline with an empty landing folder and other keys of bronze."""
    source = {"schema": ddl, "options": {"cloudFiles.maxFilesPerTrigger": 2}}
    content = {
        "name": "orders",
        "lake": str(lake),
        "bronze": {"source": source} | bronze,
    }
    config = PipelineConfig.model_validate(content)
    Path(config.landing_location).mkdir(parents=True, exist_ok=True)
    return config


def land(config: PipelineConfig, name: str, *amounts: object) -> Path:
    """Land a file of one order for each amount, compressed as its name says."""
    path = Path(config.landing_location, name)
    lines = [
        json.dumps({"order_id": f"{name}-{number}", "amount": amount})
        for number, amount in enumerate(amounts)
    ]
    content = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def rows(config: PipelineConfig) -> list[dict]:
    """Return all rows of the table, read by delta-rs."""
    return read_delta(config.bronze_location).to_pylist()


def per_file(config: PipelineConfig) -> Counter[str]:
    """Return how many rows of each file the table has."""
    return Counter(Path(row["_source_file"]).name for row in rows(config))


def test_run_reads_what_its_preflight_discovered(config: PipelineConfig) -> None:
    """By ``sluice.discoveredUpTo``; what lands later is the next run's."""
    land(config, "a.json", 1.5)
    found = preflight(config, run_id="run-1")
    land(config, "later.json", 2.5)

    run_bronze(config, run_id="run-1", found=found)

    assert per_file(config) == {"a.json": 1}
    ledger = Ledger.open(config.schema_location)
    assert ledger is not None
    assert ledger.high_seq() == 1

    run_bronze(config, run_id="run-2")
    assert per_file(config) == {"a.json": 1, "later.json": 1}


def test_file_replaced_after_the_preflight_is_read_in_its_new_version(
    tmp_path: Path,
) -> None:
    """A start without a bad file discovers again, or the new version would wait."""
    options = {"cloudFiles.allowOverwrites": "true"}
    config = configured(tmp_path, source={"schema": DDL, "options": options})
    land(config, "a.json", 1.5)
    found = preflight(config, run_id="run-1")
    land(config, "a.json", 2.5, 3.5)

    run_bronze(config, run_id="run-1", found=found)

    assert [row["amount"] for row in rows(config)] == [2.5, 3.5]


def test_what_landed_is_in_the_table_once(config: PipelineConfig) -> None:
    """Every row with where it came from and when it was read, over several batches.

    Also behind a run that was killed while it planned the very first batch: Spark alone
    refuses what its own driver left of a file of the offset log.
    """
    leave_unplanned(config.bronze_checkpoint_location)
    for number in range(3):
        land(config, f"g[{number}] %20.json", 1.5, "odd", None)
    before = datetime.now(UTC)

    summary = run_bronze(config, run_id="run-1")

    assert summary.counts == {"batches": 2, "files": 3, "rows": 9, "rescued_rows": 3}
    assert per_file(config) == {f"g[{number}] %20.json": 3 for number in range(3)}
    assert set(rows(config)[0]) == {
        "order_id",
        "amount",
        "_rescued_data",
        "_source_file",
        "_processing_time",
        "_processing_date",
    }
    for row in rows(config):
        assert Path(row["_source_file"]).parent == Path(config.landing_location)
        assert before.replace(microsecond=0) <= row["_processing_time"]
        assert row["_processing_time"] <= datetime.now(UTC)
        assert (
            row["_processing_date"]
            == row["_processing_time"].date()
            >= date(2026, 1, 1)
        )
        assert bool(row["_rescued_data"]) == row["order_id"].endswith("-1")
    assert DeltaTable(config.bronze_location).metadata().partition_columns == [
        "_processing_date"
    ]


def test_type_that_the_table_has_not_is_refused(tmp_path: Path) -> None:
    """Delta would write 2 for 2.5, and the audit would find every row."""
    land(configured(tmp_path, "order_id string, amount int"), "a.json", 1)
    run_bronze(configured(tmp_path, "order_id string, amount int"), run_id="run-1")
    land(configured(tmp_path), "b.json", 2.5)

    with pytest.raises(UsageError) as caught:
        run_bronze(configured(tmp_path), run_id="run-2")

    assert "has column 'amount' as int, and files are read with double" in (
        caught.value.message
    )
    run_bronze(configured(tmp_path, "order_id string, amount int"), run_id="run-3")
    amounts = Counter(row["amount"] for row in rows(configured(tmp_path)))
    assert amounts == {1: 1, None: 1}


@pytest.mark.long
def test_next_run_adds_only_what_is_new(config: PipelineConfig) -> None:
    """And a run with nothing new adds no version to the table."""
    land(config, "a.json", 1, 2)
    run_bronze(config, run_id="run-1")
    land(config, "b.json", 3)

    second = run_bronze(config, run_id="run-2")
    third = run_bronze(config, run_id="run-3")

    assert second.counts == {"batches": 1, "files": 1, "rows": 1, "rescued_rows": 0}
    assert third.counts == {"batches": 0, "files": 0, "rows": 0, "rescued_rows": 0}
    assert per_file(config) == {"a.json": 2, "b.json": 1}
    assert DeltaTable(config.bronze_location).version() == 1
    ledger = Ledger.open(config.schema_location)
    assert ledger is not None
    assert [claim.run_id for claim in ledger.claims()] == ["run-1", "run-2"]


def test_bad_file_goes_to_quarantine_and_the_rest_is_loaded(
    config: PipelineConfig,
) -> None:
    """One truncated file must not hold up an hour of good ones, nor load in part."""
    bad = land(config, "b.json.gz", *range(5000))
    bad.write_bytes(bad.read_bytes()[:-20])
    land(config, "a.json", 1)
    land(config, "c.json.gz", 2, 3)

    summary = run_bronze(config, run_id="run-1")

    assert per_file(config) == {"a.json": 1, "c.json.gz": 2}
    assert summary.counts["rows"] == 3
    ledger = Ledger.open(config.schema_location)
    assert ledger is not None
    (event,) = ledger.left_out().values()
    assert (event.path, event.run_id) == (str(bad), "run-1")
    assert run_bronze(config, run_id="run-2").counts["batches"] == 0


def test_bad_file_stops_the_run_where_asked(tmp_path: Path) -> None:
    """``bad_files: fail`` names the file, loads nothing of its batch and can go on."""
    config = configured(tmp_path, bad_files="fail")
    bad = land(config, "a.json.gz", *range(50))
    whole = bad.read_bytes()
    bad.write_bytes(whole[:-20] + b"?" * 20)
    landed = bad.stat()
    land(config, "b.json", 1)

    with pytest.raises(FatalError) as caught:
        run_bronze(config, run_id="run-1")

    assert caught.value.condition is Condition.BAD_FILE
    assert f"[BAD_FILE] file {str(bad)!r}" in str(caught.value)
    assert not Path(config.bronze_location, "_delta_log").exists()
    ledger = Ledger.open(config.schema_location)
    assert ledger is not None
    assert ledger.left_out() == {}

    # As a backup puts it back: with another time it would be another version.
    bad.write_bytes(whole)
    os.utime(bad, ns=(landed.st_atime_ns, landed.st_mtime_ns))
    run_bronze(config, run_id="run-2")
    assert per_file(config) == {"a.json.gz": 50, "b.json": 1}


@pytest.mark.parametrize("ddl", ["int", "order_id strin", "order_id string,, x int"])
def test_wrong_schema_is_the_users_to_correct(tmp_path: Path, ddl: str) -> None:
    """Spark's parser fails without saying which key of which file holds it."""
    config = configured(tmp_path, ddl)
    land(config, "a.json", 1)

    with pytest.raises(UsageError) as caught:
        run_bronze(config, run_id="run-1")

    assert caught.value.condition is Condition.CONFIG_INVALID
    assert caught.value.context == {"schema": ddl}
