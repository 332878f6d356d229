"""What is killed at every write; run by ``every_write.py``, which has no threads."""

from __future__ import annotations

import gzip
from pathlib import Path

from every_write import Scenario
from plain_spark import run_bronze
from recovery_lake import Lake


def land(place: Path) -> None:
    """Land three files: two micro-batches, in the first a file that cannot be read."""
    lake = Lake(place)
    lake.land(2)
    whole = gzip.compress(b'{"order_id": "lost"}\n' * 5000)
    (lake.landing / "cut.json.gz").write_bytes(whole[:-20])


def run(place: Path) -> None:
    """Run bronze over what has landed."""
    run_bronze(Lake(place).config, run_id="run", max_files=2)


RUN = Scenario(land, run)
