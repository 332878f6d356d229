"""Run a pipeline for many small hours, and see what grows: nothing should.

    python benchmarks/hours.py [--hours 100] [--files 3] [--rows 20]
        [--csv FILE] [--plot FILE]

Each hour lands a few files of sample orders, some of them late, and runs the pipeline:
preflight, bronze, silver, audit. All hours share one process and its JVM, so seconds
are those of the work and not of starting it. Checkpoints, state, ledger, operational
tables and logs are measured on the disk after each hour.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sluice.cli.output import print_line, print_rows
from sluice.config import PipelineConfig, load_pipeline
from sluice.run import run_pipeline
from sluice.sample import land_next_hour

_BYTES = 1024


@dataclass(frozen=True, kw_only=True)
class Hour:
    """What an hour took, and what is on the disk behind it; sizes in KiB."""

    hour: int
    seconds: float
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
        hours = _run(Path(folder), given)
    if given.csv:
        _write(Path(given.csv), hours)
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


def _run(folder: Path, given: argparse.Namespace) -> list[Hour]:
    config = load_pipeline("orders").model_copy(update={"lake": str(folder)})
    hours = []
    for number in range(given.hours):
        land_next_hour(config.landing_location, files=given.files, rows=given.rows)
        began = time.perf_counter()
        result = run_pipeline(config, run_id=f"hour-{number}")
        seconds = time.perf_counter() - began
        if result.audit is None or result.audit.fails:
            sys.exit(f"hour {number}: the audit failed")
        hours.append(_measure(config, number, seconds))
        if number % 10 == 0:
            print_line(str(asdict(hours[-1])))
    return hours


def _measure(config: PipelineConfig, number: int, seconds: float) -> Hour:
    (silver,) = config.silver
    checkpoint = Path(config.silver_checkpoint_location(silver))
    return Hour(
        hour=number,
        seconds=round(seconds, 2),
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


def _write(path: Path, hours: Sequence[Hour]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Hour)])
        writer.writeheader()
        writer.writerows(map(asdict, hours))


def _plot(path: Path, hours: Sequence[Hour]) -> None:
    """Draw each measure over the hours."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only who draws needs it

    names = [field.name for field in fields(Hour)[1:]]
    figure = Figure(figsize=(10, 8), layout="constrained")
    for axes, name in zip(figure.subplots(4, 2).flat, names, strict=True):
        axes.plot([getattr(each, name) for each in hours], linewidth=0.8)
        axes.set_title(name.replace("_", " "), fontsize=9)
        axes.set_ylim(bottom=0)
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
