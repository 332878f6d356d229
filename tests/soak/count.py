"""Count by file what landed and what the tables hold, with nothing of ours."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sluice.config import PipelineConfig
from support.delta_rows import read_delta
from support.oracle import expected_silver, read_silver
from support.tables import rounded


@dataclass(frozen=True)
class Verdict:
    """What a count found; ``faults`` is empty where all is right."""

    faults: tuple[str, ...]
    facts: str


def count_landed(config: PipelineConfig) -> dict[str, Counter[str]]:
    """Return the orders of each landed file, read by plain Python."""
    return {
        str(path): Counter(
            json.loads(line)["order_id"] for line in path.read_text().splitlines()
        )
        for path in Path(config.landing_location).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def count_bronze(config: PipelineConfig) -> dict[str, Counter[str]]:
    """Return the orders that the table holds of each file, read by delta-rs."""
    found: dict[str, Counter[str]] = {}
    if not Path(config.bronze_location, "_delta_log").is_dir():
        return found
    for row in read_delta(config.bronze_location).to_pylist():
        found.setdefault(row["_source_file"], Counter())[row["order_id"]] += 1
    return found


def check_so_far(config: PipelineConfig) -> Verdict:
    """Check that each file is in the table whole and once, or not at all yet."""
    # Landed first: a file may land meanwhile, but its rows cannot come before it.
    bronze = count_bronze(config)
    landed = count_landed(config)
    faults = [
        f"{path}: {sum(rows.values())} rows of {sum(landed.get(path, {}).values())}"
        for path, rows in bronze.items()
        if rows != landed.get(path)
    ]
    return Verdict(tuple(faults), f"{len(bronze)} of {len(landed)} files")


def check_all(config: PipelineConfig) -> Verdict:
    """Check that every file is in bronze once, and silver is what the oracle says."""
    landed, bronze = count_landed(config), count_bronze(config)
    faults = [
        f"bronze {path}: {_total(bronze, path)} rows of {_total(landed, path)}"
        for path in landed.keys() | bronze.keys()
        if landed.get(path) != bronze.get(path)
    ]
    (windows,) = config.silver
    expected = expected_silver(
        config.bronze_location, config.silver_checkpoint_location(windows)
    )
    wanted = rounded(expected.windows)
    found = rounded(read_silver(config.silver_location(windows)))
    faults += [
        f"silver {key}: {found.get(key)} instead of {wanted.get(key)}"
        for key in wanted.keys() | found.keys()
        if wanted.get(key) != found.get(key)
    ]
    rows = sum(_total(landed, path) for path in landed)
    if expected.rows != rows:
        faults.append(f"silver read {expected.rows} rows of {rows}")
    facts = (
        f"{len(landed)} files, {rows} rows, {len(wanted)} windows, "
        f"{expected.late_rows} late rows, {expected.null_rows} without a time"
    )
    return Verdict(tuple(sorted(faults)), facts)


def _total(counted: dict[str, Counter[str]], path: str) -> int:
    return sum(counted.get(path, Counter()).values())
