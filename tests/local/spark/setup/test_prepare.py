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
    asks = "import pyspark, py4j; print(pyspark.__file__); print(py4j.__file__)"

    outcome = subprocess.run(
        [sys.executable, "-c", asks],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert len(archives) == 3
    packages = str(spark.parent)
    found = outcome.stdout.split()
    assert [line.startswith(packages) for line in found] == [True, True]
    assert ".zip" not in outcome.stdout
