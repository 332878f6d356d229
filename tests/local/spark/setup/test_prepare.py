"""What set-up gives the interpreters that Spark starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark


def test_process_of_spark_imports_compiled_packages() -> None:
    """Spark puts archives of sources in front, which each process would compile."""
    spark = Path(pyspark.__file__).parent
    archives = [*spark.glob("python/lib/*.zip"), *spark.glob("jars/spark-core_*.jar")]
    path = os.pathsep.join(map(str, archives))
    asks = (
        "import pyspark, py4j, sys; print(pyspark.__file__); print(py4j.__file__); "
        "print(*sys.path_importer_cache)"
    )

    outcome = subprocess.run(
        [sys.executable, "-c", asks],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(archives) == 3
    packages = str(spark.parent)
    found = outcome.stdout.splitlines()[:2]
    assert [line.startswith(packages) for line in found] == [True, True]
    # Neither on the path nor kept: what is kept is read again before each task.
    assert not any(each in outcome.stdout for each in map(str, archives))
