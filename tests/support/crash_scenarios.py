"""What is killed at every write; run by ``every_write.py``, which has no threads."""

from __future__ import annotations

import gzip
from pathlib import Path
from shutil import rmtree

from sluice.cleanup.pipeline import clean_landing
from sluice.config import PipelineConfig
from sluice.repair.run import carry_out, plan_repair
from support.every_write import Scenario
from support.lakes import Lake
from support.plain_spark import run_bronze

CLEAN = {
    "cloudFiles.cleanSource": "MOVE",
    "cloudFiles.cleanSource.retentionDuration": "0 seconds",
}


def land(place: Path) -> None:
    """Land three files: two micro-batches, in the second one that cannot be read."""
    lake = Lake(place)
    lake.land(2)
    whole = gzip.compress(b'{"order_id": "lost"}\n' * 5000)
    (lake.landing / "cut.json.gz").write_bytes(whole[:-20])


def run(place: Path) -> None:
    """Run bronze over what has landed."""
    _run(Lake(place).config)


def have_read(place: Path) -> None:
    """Have two files in the table, to be moved by their source's options."""
    moved = {"cloudFiles.cleanSource.moveDestination": str(place / "moved")}
    lake = Lake(place, **CLEAN, **moved)
    lake.land(2)
    _run(lake.config)


def clean(place: Path) -> None:
    """Move what every reader has read."""
    clean_landing(Lake(place).config, run_id="clean")


def lose_checkpoint(place: Path) -> None:
    """Have two files in the table and one more, and no checkpoint."""
    lake = Lake(place)
    lake.land(2)
    _run(lake.config)
    rmtree(lake.bronze.checkpoint)
    lake.land(1)


def lose_ledger(place: Path) -> None:
    """Have two files in the table and one more, and no ledger."""
    lake = Lake(place)
    lake.land(2)
    _run(lake.config)
    rmtree(lake.ledger)
    lake.land(1)


def repair(place: Path) -> None:
    """Mend what is broken and run."""
    config = Lake(place).config
    carry_out(config, plan_repair(config))
    _run(config)


def _run(config: PipelineConfig) -> None:
    run_bronze(config, run_id="run", max_files=2)


RUN = Scenario(land, run)
MOVE = Scenario(have_read, clean)
REPAIR = Scenario(lose_checkpoint, repair)
REBUILD = Scenario(lose_ledger, repair)
