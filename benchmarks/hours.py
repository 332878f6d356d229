"""Run a pipeline for many small hours, and see what grows: nothing should.

    python benchmarks/hours.py [--hours 100] [--files 3] [--rows 20]
        [--csv FILE] [--plot FILE]

Each hour lands a few files of sample orders, some of them late, and runs the pipeline:
preflight, bronze, silver, audit. All hours share one process and its JVM, so seconds
are those of the work and not of starting it. CPU seconds, those of this process, its
JVM and Spark's Python workers, hardly change with the load of other processes.
Checkpoints, state, ledger, operational tables and logs are measured on the disk after
each hour. The CSV has each hour as soon as it is over.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil

from sluice.cli.output import print_line, print_rows
from sluice.config import PipelineConfig, load_pipeline
from sluice.run import run_pipeline
from sluice.sample import land_next_hour

_BYTES = 1024
_SPARK_STEPS = ("bronze", "silver")


@dataclass(frozen=True, kw_only=True)
class Hour:
    """What an hour took, and what is on the disk behind it; sizes in KiB."""

    hour: int
    seconds: float
    cpu_seconds: float
    audit_cpu_seconds: float
    bronze_checkpoint_files: int
    silver_checkpoint_files: int
    silver_state_kib: float
    ledger_files: int
    ops_files: int
    bronze_log_files: int
    silver_log_files: int


def main() -> int:
    """Run the hours, then print the first and the last of them side by side."""
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        hours = list(_written(_run(Path(folder), given), given.csv))
    if given.plot:
        _plot(Path(given.plot), hours)
    print_rows(f"{given.hours} hours of {given.files} files", _summary(hours))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=100)
    parser.add_argument("--files", type=int, default=3, help="files of each hour")
    parser.add_argument("--rows", type=int, default=20, help="orders of each file")
    parser.add_argument("--csv", help="write every hour into this file")
    parser.add_argument("--plot", help="draw every hour into this .svg or .png")
    return parser.parse_args()


def _run(folder: Path, given: argparse.Namespace) -> Iterator[Hour]:
    config = load_pipeline("orders").model_copy(update={"lake": str(folder)})
    for number in range(given.hours):
        land_next_hour(config.landing_location, files=given.files, rows=given.rows)
        before = _Clocks.now()
        result = run_pipeline(config, run_id=f"hour-{number}", steps=_SPARK_STEPS)
        spark = _Clocks.now()
        result = run_pipeline(config, run_id=f"audit-{number}", steps=["audit"])
        if result.audit is None or result.audit.fails:
            sys.exit(f"hour {number}: the audit failed")
        took = [before, spark, _Clocks.now()]
        hour = _measure(config, number, took)
        if number % 10 == 0:
            print_line(str(asdict(hour)))
        yield hour


@dataclass(frozen=True)
class _Clocks:
    """Seconds that passed, and CPU seconds of this process and those below it."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> _Clocks:
        """Read both; what ended is counted in the process that began it."""
        this = psutil.Process()
        cpu = sum(
            sum(each.cpu_times()[:4])  # user, system, and both of its children
            for each in [this, *this.children(recursive=True)]
        )
        return cls(time.perf_counter(), cpu)


def _measure(config: PipelineConfig, number: int, took: Sequence[_Clocks]) -> Hour:
    before, spark, end = took
    (silver,) = config.silver
    checkpoint = Path(config.silver_checkpoint_location(silver))
    return Hour(
        hour=number,
        seconds=round(end.wall - before.wall, 2),
        cpu_seconds=round(end.cpu - before.cpu, 2),
        audit_cpu_seconds=round(end.cpu - spark.cpu, 2),
        bronze_checkpoint_files=_count(config.bronze_checkpoint_location),
        silver_checkpoint_files=_count(checkpoint),
        silver_state_kib=_size(checkpoint / "state") / _BYTES,
        ledger_files=_count(Path(config.schema_location, "_ledger")),
        ops_files=_count(config.ops_location("")),
        bronze_log_files=_count(Path(config.bronze_location, "_delta_log")),
        silver_log_files=_count(Path(config.silver_location(silver), "_delta_log")),
    )


def _files(folder: str | Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


def _count(folder: str | Path) -> int:
    return len(_files(folder))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _summary(hours: Sequence[Hour]) -> list[dict[str, object]]:
    """Return each measure as its median in five parts of the time."""
    size = -(-len(hours) // 5)
    parts = [hours[start : start + size] for start in range(0, len(hours), size)]
    return [
        {"measure": field.name}
        | {
            f"from hour {part[0].hour}": statistics.median(
                getattr(each, field.name) for each in part
            )
            for part in parts
        }
        for field in fields(Hour)[1:]
    ]


def _written(hours: Iterator[Hour], path: str | None) -> Iterator[Hour]:
    """Write each hour as soon as it is over: a run that is cut off has its figures."""
    if path is None:
        yield from hours
        return
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Hour)])
        writer.writeheader()
        for hour in hours:
            writer.writerow(asdict(hour))
            file.flush()
            yield hour


def _plot(path: Path, hours: Sequence[Hour]) -> None:
    """Draw each measure over the hours."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only who draws needs it

    names = [field.name for field in fields(Hour)[1:]]
    figure = Figure(figsize=(10, 10), layout="constrained")
    for axes, name in zip(figure.subplots(5, 2).flat, names, strict=False):
        axes.plot([getattr(each, name) for each in hours], linewidth=0.8)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_ylim(bottom=0)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
