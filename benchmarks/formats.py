"""Measure a stream of files into Delta beside Spark's own, in turns.

    python benchmarks/formats.py --format parquet --megabytes 500
    python benchmarks/formats.py --format csv --files 20000 --rows 5

One session on local[2], trigger availableNow, an explicit schema of seven columns. Both
tables keep ``_metadata``, ours ``_rescued_data`` as well. The options are the defaults
of each, so ours takes 1,000 files a micro-batch and Spark's all of them, unless
``--max-files`` says how many both take. A first run of each, of an eighth of the files,
warms up and is not counted. Processor time is that of all processes of the session.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql.streaming.readwriter import DataStreamReader

from sluice.cli.output import print_json, print_line, print_rows
from sluice.spark.session import spark_session

_SCHEMA = (
    "id bigint, customer string, amount double, quantity int, paid boolean, "
    "day date, moment timestamp"
)
_HEADER = "id,customer,amount,quantity,paid,day,moment"
_SAMPLE_ROWS = 50_000
# What the profile of our sessions sets otherwise than Spark, for what is measured here.
_SPARK_DEFAULTS = {
    "spark.driver.extraJavaOptions": (
        "-XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC"
    ),
    "spark.databricks.delta.snapshotPartitions": "50",
    "spark.sql.shuffle.partitions": "200",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "32",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "10000",
    "spark.sql.files.openCostInBytes": "4194304",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One stream: its seconds, and those of all processors."""

    source: str
    seconds: float
    processor: float


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured: the session, the files, how many rows they have."""

    spark: SparkSession
    format: str
    landing: str
    rows: int
    max_files: int | None

    def run(self, source: str, root: Path) -> Run:
        """Read all files into a new table."""
        began, before = time.monotonic(), _processor_seconds()
        query = (
            self._reader(source, root)
            .load(self.landing)
            .select("*", "_metadata")
            .writeStream.format("delta")
            .option("checkpointLocation", str(root / "checkpoint"))
            .trigger(availableNow=True)
            .start(str(root / "table"))
        )
        query.awaitTermination()
        seconds, processor = time.monotonic() - began, _used_since(before)
        found = self.spark.read.format("delta").load(str(root / "table")).count()
        if found != self.rows:
            message = f"{source} read {found} of {self.rows} rows"
            raise RuntimeError(message)
        return Run(source=source, seconds=seconds, processor=processor)

    def _reader(self, source: str, root: Path) -> DataStreamReader:
        reader = self.spark.readStream.schema(_SCHEMA)
        if self.format == "csv":
            reader = reader.option("header", "true")
        if source == "spark":
            reader, limit = reader.format(self.format), "maxFilesPerTrigger"
        else:
            limit = "cloudFiles.maxFilesPerTrigger"
            reader = (
                reader.format("cloudFiles")
                .option("cloudFiles.format", self.format)
                .option("cloudFiles.schemaLocation", str(root / "schemas"))
                .option("rescuedDataColumn", "_rescued_data")
            )
        return reader.option(limit, self.max_files) if self.max_files else reader


def main() -> None:
    """Write the files, let both read them in turns, and print seconds."""
    given = _arguments()
    conf = _SPARK_DEFAULTS if given.spark_defaults else {}
    spark = spark_session("formats", **{"spark.master": "local[2]", **conf})
    with tempfile.TemporaryDirectory(dir=given.root) as folder:
        landing = Path(folder, "landing")
        rows, size = _land(landing, given)
        bench = Bench(
            spark=spark,
            format=given.format,
            landing=str(landing),
            rows=rows * given.files,
            max_files=given.max_files,
        )
        few = _few_files(landing, Path(folder, "few"))
        warm = replace(bench, landing=str(few), rows=rows * len([*few.iterdir()]))
        [*_take_turns(warm, Path(folder), 1)]
        runs = [*_take_turns(bench, Path(folder), given.rounds)]
    title = (
        f"{given.files:,} {given.format} files of {size / 1e6:,.0f} MB, "
        f"{rows * given.files:,} rows"
    )
    _show(title, runs, as_json=given.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=["csv", "json", "parquet"], default="csv")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--megabytes", type=int, default=100, help="of all files")
    parser.add_argument("--rows", type=int, help="of each file, in place of megabytes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-files", type=int, help="of a micro-batch, for both")
    parser.add_argument(
        "--spark-defaults",
        action="store_true",
        help="a session without the profile of spark_session",
    )
    parser.add_argument("--root", help="where files are made; a temporary folder")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _take_turns(bench: Bench, folder: Path, rounds: int) -> Iterator[Run]:
    for _ in range(rounds):
        for source in ("spark", "sluice"):
            with tempfile.TemporaryDirectory(dir=folder) as root:
                yield bench.run(source, Path(root))


def _few_files(landing: Path, few: Path) -> Path:
    """Return a folder with every eighth of the files."""
    few.mkdir()
    for path in sorted(landing.iterdir())[::8]:
        few.joinpath(path.name).hardlink_to(path)
    return few


def _show(title: str, runs: list[Run], *, as_json: bool) -> None:
    medians = {
        what: {
            source: statistics.median(
                getattr(run, what) for run in runs if run.source == source
            )
            for source in ("spark", "sluice")
        }
        for what in ("seconds", "processor")
    }
    ratios = {what: each["spark"] / each["sluice"] for what, each in medians.items()}
    if as_json:
        facts = {"runs": [asdict(run) for run in runs], "speed beside spark": ratios}
        print_json(facts)
        return
    rounded = [
        {"source": run.source}
        | {what: f"{getattr(run, what):.1f}" for what in ("seconds", "processor")}
        for run in runs
    ]
    print_rows(title, rounded)
    print_line(
        f"speed beside Spark's own: {ratios['seconds']:.2f}, "
        f"by processor time {ratios['processor']:.2f}"
    )


def _land(landing: Path, given: argparse.Namespace) -> tuple[int, int]:
    """Write the files; return the rows of each and the bytes of all."""
    landing.mkdir()
    rows = given.rows or _rows_of(
        (given.megabytes << 20) // given.files, landing / f"0.{given.format}"
    )
    for number in range(given.files):
        orders = _orders(number * rows, rows)
        _write(landing / f"{number}.{given.format}", orders)
    return rows, sum(each.stat().st_size for each in landing.iterdir())


def _rows_of(wanted: int, sample: Path) -> int:
    """Return how many rows a file of so many bytes has; rows of many take fewer."""
    rows = _SAMPLE_ROWS
    for _ in range(3):
        _write(sample, _orders(0, rows))
        rows = max(rows * wanted // sample.stat().st_size, 1)
    return rows


def _orders(first: int, rows: int) -> pa.Table:
    numbers = np.arange(first, first + rows)
    random = np.random.default_rng(first)
    moments = np.datetime64("2026-01-01", "s") + random.integers(0, 28 * 86_400, rows)
    customers = pc.binary_join_element_wise(
        "customer, ", _text(random.integers(0, 100_000, rows)), ""
    )
    columns = {
        "id": numbers,
        "customer": customers,
        "amount": np.round(random.random(rows) * 1000, 2),
        "quantity": random.integers(0, 100, rows, dtype=np.int32),
        "paid": numbers % 3 > 0,
        "day": pa.array(moments.astype("datetime64[D]")),
        "moment": pa.array(moments).cast(pa.timestamp("us", "UTC")),
    }
    return pa.table(columns)


def _write(path: Path, orders: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(orders, path)
        return
    cells = {name: _text(orders[name]) for name in orders.column_names}
    cells["moment"] = pc.utf8_slice_codeunits(cells["moment"], 0, 19)
    if path.suffix == ".csv":
        quoted = pc.binary_join_element_wise('"', cells["customer"], '"', "")
        lines = pc.binary_join_element_wise(
            *(cells | {"customer": quoted}).values(), ","
        )
        path.write_text("\n".join([_HEADER, *lines.to_pylist(), ""]))
        return
    parts: list[object] = []
    for name, values in cells.items():
        mark = '"' if name in {"customer", "day", "moment"} else ""
        parts += [f'{"," if parts else "{"}"{name}":{mark}', values, mark]
    lines = pc.binary_join_element_wise(*parts, "}", "")
    path.write_text("\n".join([*lines.to_pylist(), ""]))


def _text(values: object) -> pa.Array:
    return pc.cast(
        pa.array(values) if isinstance(values, np.ndarray) else values, "string"
    )


def _processor_seconds() -> dict[tuple[int, float], float]:
    """Return what this process and those below it have used, by id and start."""
    me = psutil.Process()
    used = {}
    for each in (me, *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            ended = times.children_user + times.children_system
            used[each.pid, each.create_time()] = times.user + times.system + ended
    return used


def _used_since(before: dict[tuple[int, float], float]) -> float:
    """Return what was used since; what a process of before used goes with it."""
    now = _processor_seconds()
    return sum(used - before.get(key, 0.0) for key, used in now.items())


if __name__ == "__main__":
    main()
