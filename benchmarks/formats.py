"""Measure a stream of CSV files into Delta beside Spark's own, in turns.

    python benchmarks/formats.py [--megabytes 100] [--rounds 3] [--json]

One session on local[2], trigger availableNow, an explicit schema of seven columns, a
header, a quoted column. Ours has ``_rescued_data`` as well. The first run of each warms
up and is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from sluice.cli.output import print_json, print_line
from sluice.spark.session import spark_session

_SCHEMA = (
    "id bigint, customer string, amount double, quantity int, paid boolean, "
    "day date, moment timestamp"
)
_FILES = 8


def main() -> None:
    """Write the files, let both read them in turns, and print seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    spark = spark_session("formats", **{"spark.master": "local[2]"})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = _write(root / "landing", given.megabytes << 20)
        seconds: dict[str, list[float]] = {"spark": [], "sluice": []}
        for number in range(given.rounds + 1):
            for name, read in (("spark", _own), ("sluice", _ours)):
                took = _run(spark, root / f"{name}{number}", read, rows)
                if number:
                    seconds[name].append(took)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    ratio = medians["spark"] / medians["sluice"]
    if given.json:
        print_json({"seconds": seconds, "speed beside spark": ratio})
        return
    for name, each in seconds.items():
        print_line(f"{name}: {', '.join(f'{one:.1f}' for one in each)} s")
    print_line(f"speed beside Spark's own: {ratio:.2f}")


def _write(landing: Path, size: int) -> int:
    """Write files of together about ``size`` bytes, and return how many rows."""
    landing.mkdir()
    header = "id,customer,amount,quantity,paid,day,moment\n"
    lines = "".join(
        f'{number},"customer, {number % 997}",{number * 1.37:.2f},{number % 100},'
        f"{'true' if number % 3 else 'false'},2026-01-{number % 28 + 1:02},"
        f"2026-01-{number % 28 + 1:02} {number % 24:02}:{number % 60:02}:00\n"
        for number in range(100_000, 150_000)
    )
    times = max(size // _FILES // len(lines), 1)
    for number in range(_FILES):
        (landing / f"{number}.csv").write_text(header + lines * times)
    return _FILES * times * 50_000


def _own(spark: SparkSession, root: Path) -> DataFrame:
    reader = spark.readStream.format("csv").schema(_SCHEMA).option("header", "true")
    return reader.load(str(root.parent / "landing"))


def _ours(spark: SparkSession, root: Path) -> DataFrame:
    return (
        spark.readStream.format("cloudFiles")
        .schema(f"{_SCHEMA}, _rescued_data string")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaLocation", str(root / "schemas"))
        .option("header", "true")
        .load(str(root.parent / "landing"))
    )


def _run(
    spark: SparkSession,
    root: Path,
    read: Callable[[SparkSession, Path], DataFrame],
    rows: int,
) -> float:
    started = time.monotonic()
    query = (
        read(spark, root)
        .writeStream.format("delta")
        .option("checkpointLocation", str(root / "checkpoint"))
        .trigger(availableNow=True)
        .start(str(root / "table"))
    )
    query.awaitTermination()
    took = time.monotonic() - started
    found = spark.read.format("delta").load(str(root / "table")).count()
    if found != rows:
        message = f"{root.name} read {found} of {rows} rows"
        raise RuntimeError(message)
    return took


if __name__ == "__main__":
    main()
