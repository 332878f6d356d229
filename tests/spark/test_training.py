"""Scripts as a training for Databricks has them, run as they are written."""

from __future__ import annotations

import json
import runpy
import warnings
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sluice.sample import land_next_hour
from support.delta_rows import read_delta

pytestmark = pytest.mark.needs_java

SCRIPTS = Path(__file__).parent / "training"
HOUR = {"files": 3, "rows": 40}
FIELDS = (
    *("order_id", "customer_id", "order_date", "total_amount", "payment_method"),
    *("product_id", "quantity"),
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with the files of an hour: a micro-batch or two."""
    landing = tmp_path / "landing"
    landing.mkdir()
    land_next_hour(str(landing), **HOUR)
    return landing


def run(script: str, spark: SparkSession, source: Path) -> dict[str, object]:
    """Run a script and return what it leaves behind."""
    given = {"spark": spark, "source": str(source), "lake": str(source.parent)}
    return runpy.run_path(str(SCRIPTS / f"{script}.py"), init_globals=given)


def landed(source: Path) -> Counter[tuple]:
    """Return the landed orders, of each file, read by nothing of ours."""
    return Counter(
        tuple(json.loads(line)[name] for name in FIELDS)
        for path in source.glob("*.json")
        for line in path.read_text().splitlines()
    )


def table(source: Path, name: str) -> list[dict]:
    """Return the rows of a table that a script wrote."""
    return read_delta(str(source.parent / name)).to_pylist()


def orders(rows: list[dict]) -> Counter[tuple]:
    """Return what rows have of the fields of an order."""
    return Counter(tuple(row[name] for name in FIELDS) for row in rows)


def test_plain_file_stream(spark: SparkSession, source: Path) -> None:
    """Spark's own source goes on working in a session of ours."""
    run("plain_file_stream", spark, source)

    rows = table(source, "plain")
    assert orders(rows) == landed(source)
    assert len({row["_processing_timestamp"] for row in rows}) == len(
        list(source.glob("*.json"))
    )


def test_auto_loader(spark: SparkSession, source: Path) -> None:
    """With either schema each row is there once; a second run adds what is new."""
    run("auto_loader", spark, source)
    land_next_hour(str(source), **HOUR)
    run("auto_loader", spark, source)

    for name in ("explicit", "inferred"):
        rows = table(source, name)
        assert orders(rows) == landed(source)
        assert {row["_source_file"] for row in rows} == set(map(str, source.glob("*")))
        assert all(row["_processing_time"] for row in rows)


def test_schema_evolution(spark: SparkSession, tmp_path: Path) -> None:
    """Each mode does what Auto Loader documents."""
    source = tmp_path / "landing"
    source.mkdir()
    (source / "1.json").write_text('{"id": 1, "name": "a", "old": true}')
    run("schema_evolution", spark, source)
    (source / "2.json").write_text('{"id": 2, "name": {"first": "b"}, "new": 1.5}')
    (source / "3.json").write_text('{"id": "three", "name": "c"}')

    failures = run("schema_evolution", spark, source)["failures"]

    assert {mode: len(texts) for mode, texts in failures.items()} == {
        "addNewColumns": 1,
        "failOnNewColumns": 3,
    }
    assert str(source / "2.json") in failures["failOnNewColumns"][0]
    assert len(table(source, "failOnNewColumns")) == 1
    added = {row["id"]: row for row in table(source, "addNewColumns")}
    assert (added[2]["new"], added[2]["old"], added[1]["new"]) == (1.5, None, None)
    assert json.loads(added[None]["_rescued_data"])["id"] == "three"
    rescued = {row["id"]: row for row in table(source, "rescue")}
    assert json.loads(rescued[2]["_rescued_data"])["new"] == 1.5
    passed_over = table(source, "none")
    assert sorted(passed_over[0]) == ["id", "name", "old"]
    assert Counter(row["id"] for row in passed_over) == {1: 1, 2: 1, None: 1}


def test_triggers(spark: SparkSession, tmp_path: Path) -> None:
    """Each gives the same table, but for the one that Spark refuses."""
    source = tmp_path / "landing"
    source.mkdir()
    land_next_hour(str(source), **HOUR | {"files": 2})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refusal = run("triggers", spark, source)["refusal"]

    for name in ("available_now", "once", "processing_time", "default"):
        rows = table(source, name)
        assert Counter(row["order_id"] for row in rows) == Counter(
            order[0] for order in landed(source).elements()
        )
    assert "continuous" in str(refusal).lower()
