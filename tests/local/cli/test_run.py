"""What ``sluice run`` loads where nothing is new."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sluice.config import load_pipeline
from support.builders import SILVER, PipelineBuilder, window
from support.preflights import check

# They have no part in it; some take a tenth of its time each.
HEAVY = {
    "jinja2",
    "pandas",
    "pyarrow.compute",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "pyspark",
    "rich",
    "sluice.audit",
    "sluice.bronze",
    "sluice.repair",
    "sluice.silver",
    "sqlglot",
}
_PRINT_MODULES = (
    "import atexit, sys; atexit.register(lambda: print(*sys.modules)); "
    "from sluice.cli import main; main()"
)


def test_a_run_with_nothing_new_loads_neither_spark_nor_other_commands(
    tmp_path: Path,
) -> None:
    """It is most of what such a run takes, every few minutes for every pipeline."""
    file = tmp_path / "orders.yaml"
    bronze = {"unique_key": ["order_id"]}
    keys = {"name": "orders", "lake": str(tmp_path / "lake"), "bronze": bronze}
    file.write_text(json.dumps({**keys, "silver": [SILVER]}))
    pipeline = PipelineBuilder(load_pipeline(str(file)))
    pipeline.land("a.json")
    pipeline.run_batch()
    pipeline.run_silver_batch([window(0)])
    check(pipeline)  # archives them

    done = subprocess.run(
        [sys.executable, "-c", _PRINT_MODULES, "run", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )

    printed, modules = done.stdout.splitlines()
    loaded = set(modules.split())
    assert "nothing new" in printed
    assert HEAVY & loaded == set()
    assert {each for each in loaded if each.startswith("sluice.cli.")} == {
        "sluice.cli.commands",
        "sluice.cli.output",
        "sluice.cli.run",
    }
