"""Measure an hour of silver beside the plain stream that does the same, in turns.

    python benchmarks/hourly_silver.py [--hours 6] [--files 12] [--rows 100] [--json]

Each hour lands sample orders and takes them into bronze. Then both run, each in a
process of its own as a schedule starts them: ``sluice run orders --steps silver``, and
a script with the same windows as the documentation of Spark has it, with Spark's
defaults. The turns change each hour. The first hour of each makes its table and is not
counted. Both tables must have the same windows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deltalake import DeltaTable

from sluice.cli.output import print_json, print_line, print_rows
from sluice.config import load_pipeline
from sluice.delta.tables import read_table
from sluice.sample import land_next_hour
from sluice.spark.setup.jars import jars_folder

_SIDES = ("sluice", "plain")
_SLUICE = [sys.executable, "-c", "from sluice.cli import main; main()"]
_PLAIN = """\
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

jars, bronze, folder = sys.argv[1:]
spark = (
    SparkSession.builder.master("local[*]")
    .config("spark.jars", jars)
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config(
        "spark.sql.catalog.spark_catalog",
        "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    )
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
orders = spark.readStream.format("delta").load(bronze)
moment = F.to_timestamp("order_date", "yyyy-MM-dd HH:mm:ss")
windows = (
    orders.withColumn("event_time", moment)
    .withWatermark("event_time", "10 minutes")
    .groupBy(F.window("event_time", "5 minutes"), "payment_method")
    .agg(
        F.count("*").alias("order_count"),
        F.sum("total_amount").alias("total_revenue"),
        F.avg("total_amount").alias("avg_order_value"),
    )
    .select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "payment_method",
        "order_count",
        "total_revenue",
        "avg_order_value",
    )
)
query = (
    windows.writeStream.format("delta")
    .outputMode("append")
    .option("checkpointLocation", f"{folder}/checkpoint")
    .trigger(availableNow=True)
    .start(f"{folder}/table")
)
query.awaitTermination()
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One hour of one side, from the start of its process to its end."""

    side: str
    hour: int
    seconds: float


def main() -> int:
    """Run the hours in turns and print seconds."""
    given = _arguments()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        runs = _run_hours(Path(folder), given)
    if given.json:
        print_json([asdict(run) for run in runs])
        return 0
    load = f"load {before:.1f} before and {os.getloadavg()[0]:.1f} after"
    print_rows(
        f"{given.hours} hours of {given.files} files of {given.rows} orders, "
        f"{os.cpu_count()} cores, {load}; seconds, median (least to most)",
        _summary(runs),
    )
    ours, plain = (statistics.median(_seconds(runs, each)) for each in _SIDES)
    print_line(f"sluice takes {ours / plain:.2f} of the time of the plain stream")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=6, help="hours that are counted")
    parser.add_argument("--files", type=int, default=12, help="files of each hour")
    parser.add_argument("--rows", type=int, default=100, help="orders of each file")
    parser.add_argument("--json", action="store_true", help="every run, as JSON")
    return parser.parse_args()


def _run_hours(folder: Path, given: argparse.Namespace) -> list[Run]:
    config = load_pipeline("orders").model_copy(update={"lake": str(folder / "lake")})
    script = folder / "plain.py"
    script.write_text(_PLAIN, encoding="utf-8")
    jars = ",".join(map(str, jars_folder().glob("delta-*.jar")))
    environment = os.environ | {"SLUICE_LAKE": str(folder / "lake")}
    plain = [sys.executable, str(script), jars, config.bronze_location, str(folder)]
    sides = {"sluice": [*_SLUICE, "run", "orders", "--steps", "silver"], "plain": plain}
    runs = []
    for hour in range(given.hours + 1):
        land_next_hour(config.landing_location, files=given.files, rows=given.rows)
        bronze = [*_SLUICE, "run", "orders", "--steps", "bronze"]
        _call(bronze, environment)
        for side in sorted(sides, reverse=bool(hour % 2)):
            run = _measure(side, hour, sides[side], environment)
            runs += [run] if hour else []
            print(run, file=sys.stderr)
    ours = _windows(config.silver_location(config.silver[0]))
    if ours != _windows(str(folder / "table")):
        sys.exit("the two tables differ")
    return runs


def _measure(
    side: str, hour: int, command: Sequence[str], environment: dict[str, str]
) -> Run:
    began = time.monotonic()
    _call(command, environment)
    return Run(side=side, hour=hour, seconds=time.monotonic() - began)


def _call(command: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def _windows(location: str) -> list[dict[str, object]]:
    keys = "window_start, payment_method"
    return read_table(DeltaTable(location), order_by=keys).to_pylist()


def _seconds(runs: Sequence[Run], side: str) -> list[float]:
    return [run.seconds for run in runs if run.side == side]


def _summary(runs: Sequence[Run]) -> list[dict[str, object]]:
    rows = []
    for side in _SIDES:
        taken = _seconds(runs, side)
        middle = statistics.median(taken)
        shown = f"{middle:.1f} ({min(taken):.1f} to {max(taken):.1f})"
        rows.append({"side": side, "seconds": shown})
    return rows


if __name__ == "__main__":
    sys.exit(main())
