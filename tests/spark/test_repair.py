"""Spark and Delta go on from what a repair has written: rows exactly once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from sluice.bronze.run import run_bronze
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.write import give_query_id
from sluice.config import PipelineConfig
from sluice.errors import FatalError
from sluice.history.files import FileFilter, list_files
from sluice.model import FileState
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from sluice.silver.run import run_silver
from support.delta_rows import read_delta

pytestmark = pytest.mark.needs_java

START = datetime(2026, 1, 1, tzinfo=UTC)
SILVER = {
    "name": "windows",
    "event_time": {"column": "order_date"},
    "aggregates": {"order_count": "count(*)"},
}


class Lake:
    """A pipeline whose files hold seven orders each, later than those before."""

    def __init__(self, folder: Path, spark: SparkSession) -> None:
        """Make the landing folder."""
        self.spark = spark
        source = {"options": {"cloudFiles.maxFilesPerTrigger": 1}}
        content = {"bronze": {"source": source}, "silver": [SILVER]}
        self.config = PipelineConfig.model_validate(
            {"name": "orders", "lake": str(folder), **content}
        )
        self.landing = Path(self.config.landing_location)
        self.landing.mkdir(parents=True)
        self.checkpoint = Path(self.config.bronze_checkpoint_location)

    def land(self, files: int) -> None:
        """Land some files more."""
        landed = len(list(self.landing.glob("*.json")))
        for number in range(landed, landed + files):
            lines = [json.dumps(order(number, row)) for row in range(7)]
            (self.landing / f"{number:03d}.json").write_text("\n".join(lines))

    def run(self) -> None:
        """Run bronze and silver."""
        run_bronze(self.config, run_id="run")
        run_silver(self.config, self.config.silver[0], run_id="run")

    def orders(self) -> Counter[str]:
        """Return the orders of bronze."""
        return Counter(read_delta(self.config.bronze_location)["order_id"].to_pylist())

    def windows(self) -> list[tuple[datetime, int]]:
        """Return the windows of silver."""
        rows = read_delta(self.config.silver_location(self.config.silver[0]))
        return sorted(
            (row["window_start"], row["order_count"]) for row in rows.to_pylist()
        )

    def landed(self) -> list[dict[str, str]]:
        """Return all orders that have landed."""
        return [
            json.loads(line)
            for path in self.landing.glob("*.json")
            for line in path.read_text().splitlines()
        ]

    def closed_windows(self) -> list[tuple[datetime, int]]:
        """Return the windows of what has landed that the last watermark closes."""
        times = [
            datetime.fromisoformat(f"{each['order_date']}Z") for each in self.landed()
        ]
        watermark = max(times) - timedelta(minutes=10)
        size = timedelta(minutes=5)
        windows = Counter(time - (time - START) % size for time in times)
        return sorted(each for each in windows.items() if each[0] + size <= watermark)

    def check(self) -> None:
        """Compare bronze and silver with what has landed."""
        assert self.orders() == Counter(each["order_id"] for each in self.landed())
        assert self.windows() == self.closed_windows()
        ingested = list_files(self.config, FileFilter(state=FileState.INGESTED))
        assert len(ingested) == len(list(self.landing.glob("*.json")))


def order(number: int, row: int) -> dict[str, str]:
    """Return an order, later than all orders of the files before."""
    time = START + timedelta(minutes=14 * number + 2 * row)
    return {"order_id": f"{number}-{row}", "order_date": f"{time:%Y-%m-%d %H:%M:%S}"}


@pytest.fixture(scope="module")
def used(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Return a lake that each test damages, repairs and leaves whole for the next."""
    lake = Lake(tmp_path_factory.mktemp("lake"), spark)
    lake.land(3)
    lake.run()
    lake.check()
    return lake


def restore(lake: Lake) -> None:
    """RESTORE bronze to two versions of its rows ago."""
    table = DeltaTable.forPath(lake.spark, lake.config.bronze_location)
    newest = table.history().where("operationMetrics.numOutputRows > 0").take(3)
    table.restoreToVersion(newest[-1].version)


def lose_checkpoint(lake: Lake) -> None:
    """Delete bronze's checkpoint."""
    rmtree(lake.checkpoint)


@pytest.mark.parametrize("damage", [restore, lose_checkpoint])
def test_repaired_checkpoint_goes_on_exactly_once(
    used: Lake, damage: Callable[[Lake], None]
) -> None:
    """Bronze and silver are as if nothing had happened, and new files join them."""
    used.land(3)
    used.run()
    damage(used)
    with pytest.raises(FatalError, match="sluice checkpoint repair orders"):
        preflight(used.config, run_id="refused")

    plan = plan_repair(used.config)
    assert plan.repair is not None
    assert bool(plan.repair.silver) == (damage is restore)
    carry_out(used.config, plan)
    used.land(1)
    used.run()

    used.check()


def test_rebuilt_ledger_goes_on_exactly_once(used: Lake) -> None:
    """Checkpoint, ledger and schemas are gone; the table tells what was read."""
    used.land(1)
    rmtree(used.checkpoint)
    rmtree(used.config.schema_location)
    with pytest.raises(FatalError, match="sluice checkpoint repair orders"):
        preflight(used.config, run_id="refused")

    plan = plan_repair(used.config)
    assert plan.repair is not None
    assert not plan.repair.silver
    carry_out(used.config, plan)
    used.land(1)
    used.run()

    used.check()


def test_lost_schema_store_is_inferred_again(used: Lake) -> None:
    """The schemas are a memory of inference; rows do not depend on it."""
    rmtree(Path(used.config.schema_location, "_schemas"))
    used.land(1)

    used.run()

    used.check()


def test_checkpoint_set_back_by_ten_batches_needs_no_repair(used: Lake) -> None:
    """The claims carry it: the same files under the same batch ids."""
    used.land(10)
    used.run()
    newest = max(read_checkpoint(str(used.checkpoint)).offsets)
    for batch in range(newest - 9, newest + 1):
        for log in ("offsets", "commits"):
            (used.checkpoint / log / str(batch)).unlink()
            (used.checkpoint / log / f".{batch}.crc").unlink(missing_ok=True)
    used.land(1)

    used.run()

    used.check()


def test_spark_takes_the_query_id_that_it_finds(
    spark: SparkSession, tmp_path: Path
) -> None:
    """So that two very first drivers share the one that their preflights wrote."""
    lake = Lake(tmp_path, spark)
    lake.land(1)
    assert give_query_id(str(lake.checkpoint))
    written = (lake.checkpoint / "metadata").read_text()

    run_bronze(lake.config, run_id="run")

    assert (lake.checkpoint / "metadata").read_text() == written
    table = DeltaTable.forPath(spark, lake.config.bronze_location)
    parameters = table.history().first().operationParameters
    assert parameters["queryId"] == json.loads(written)["id"]
    assert not give_query_id(str(lake.checkpoint))
