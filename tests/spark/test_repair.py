"""Spark and Delta go on from what a repair has written: rows exactly once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest
from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from sluice.bronze.run import run_bronze
from sluice.checkpoint import read_checkpoint
from sluice.checkpoint.write import give_query_id
from sluice.errors import FatalError
from sluice.history.files import FileFilter, list_files
from sluice.model import FileState
from sluice.preflight.run import preflight
from sluice.repair.run import carry_out, plan_repair
from sluice.silver.run import run_silver
from support.lakes import Lake

pytestmark = pytest.mark.needs_java


class InferredLake(Lake):
    """A pipeline without a schema, with one file in a micro-batch."""

    def __init__(self, folder: Path, spark: SparkSession) -> None:
        """Write the pipeline file."""
        super().__init__(folder, schema=None, **{"cloudFiles.maxFilesPerTrigger": 1})
        self.spark = spark
        self.checkpoint = Path(self.bronze.checkpoint)

    def run(self) -> None:
        """Run bronze and silver."""
        run_bronze(self.config, run_id="run")
        run_silver(self.config, self.config.silver[0], run_id="run")

    def check(self) -> None:
        """Compare bronze and silver with what has landed."""
        assert self.bronze_rows() == self.landed_rows()
        assert self.silver_windows() == self.closed_windows()
        ingested = list_files(self.config, FileFilter(state=FileState.INGESTED))
        assert len(ingested) == len(list(self.landing.glob("*.json")))


@pytest.fixture(scope="module")
def used(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> InferredLake:
    """Return a lake that each test damages, repairs and leaves whole for the next."""
    lake = InferredLake(tmp_path_factory.mktemp("lake"), spark)
    lake.land(2)
    lake.run()
    lake.check()
    return lake


def restore(lake: InferredLake) -> None:
    """RESTORE bronze to two versions of its rows ago."""
    table = DeltaTable.forPath(lake.spark, lake.config.bronze_location)
    newest = table.history().where("operationMetrics.numOutputRows > 0").take(3)
    table.restoreToVersion(newest[-1].version)


def lose_checkpoint(lake: InferredLake) -> None:
    """Delete bronze's checkpoint."""
    rmtree(lake.checkpoint)


@pytest.mark.long
@pytest.mark.parametrize("damage", [restore, lose_checkpoint])
def test_repaired_checkpoint_goes_on_exactly_once(
    used: InferredLake, damage: Callable[[InferredLake], None]
) -> None:
    """Bronze and silver are as if nothing had happened, and new files join them."""
    used.land(3)
    used.run()
    damage(used)
    with pytest.raises(FatalError, match=f"sluice checkpoint repair {used.file}"):
        preflight(used.config, run_id="refused")

    plan = plan_repair(used.config)
    assert plan.repair is not None
    assert bool(plan.repair.silver) == (damage is restore)
    carry_out(used.config, plan)
    used.land(1)
    used.run()

    used.check()


def test_rebuilt_ledger_goes_on_exactly_once(used: InferredLake) -> None:
    """Checkpoint, ledger and schemas are gone; the table shows what was read."""
    used.land(1)
    rmtree(used.checkpoint)
    rmtree(used.config.schema_location)
    with pytest.raises(FatalError, match=f"sluice checkpoint repair {used.file}"):
        preflight(used.config, run_id="refused")

    plan = plan_repair(used.config)
    assert plan.repair is not None
    assert not plan.repair.silver
    carry_out(used.config, plan)
    used.land(1)
    used.run()

    used.check()


@pytest.mark.long
def test_lost_schema_store_is_inferred_again(used: InferredLake) -> None:
    """The schemas are a memory of inference; rows do not depend on it."""
    rmtree(Path(used.config.schema_location, "_schemas"))
    used.land(1)

    used.run()

    used.check()


@pytest.mark.long
def test_checkpoint_set_back_by_ten_batches_needs_no_repair(used: InferredLake) -> None:
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
    lake = InferredLake(tmp_path, spark)
    lake.land(1)
    assert give_query_id(str(lake.checkpoint))
    written = (lake.checkpoint / "metadata").read_text()

    run_bronze(lake.config, run_id="run")

    assert (lake.checkpoint / "metadata").read_text() == written
    table = DeltaTable.forPath(spark, lake.config.bronze_location)
    parameters = table.history().first().operationParameters
    assert parameters["queryId"] == json.loads(written)["id"]
    assert not give_query_id(str(lake.checkpoint))
