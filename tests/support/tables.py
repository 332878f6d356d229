"""What the tables must hold after runs and backfills, read without Spark."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

from sluice.config import PipelineConfig
from support.delta_rows import read_delta
from support.oracle import (
    Key,
    Values,
    all_windows,
    expected_silver,
    read_offset_log,
    read_silver,
)

COLUMNS = (
    "order_id",
    "customer_id",
    "order_date",
    "total_amount",
    "payment_method",
    "product_id",
    "quantity",
)


def landed_rows(config: PipelineConfig) -> Counter[tuple]:
    """Return each landed order with its file, counted."""
    return Counter(
        (str(path), *(row[column] for column in COLUMNS))
        for path in Path(config.landing_location).glob("*.json")
        for row in map(json.loads, path.read_text().splitlines())
    )


def bronze_rows(config: PipelineConfig) -> Counter[tuple]:
    """Return each row of bronze with its file, counted."""
    columns = ["_source_file", *COLUMNS]
    table = read_delta(config.bronze_location).select(columns)
    return Counter(tuple(row[name] for name in columns) for row in table.to_pylist())


def silver_rows(config: PipelineConfig) -> dict[Key, Values]:
    """Return silver's windows, amounts in whole cents."""
    return rounded(read_silver(config.silver_location(config.silver[0])))


def stream_windows(config: PipelineConfig) -> dict[Key, Values]:
    """Return what the stream alone must have emitted: no row that came late."""
    checkpoint = config.silver_checkpoint_location(config.silver[0])
    return rounded(expected_silver(config.bronze_location, checkpoint).windows)


def backfilled_windows(
    config: PipelineConfig, start: datetime, end: datetime
) -> dict[Key, Values]:
    """Return what a backfill of an interval must hold: its closed windows, whole."""
    checkpoint = config.silver_checkpoint_location(config.silver[0])
    offsets = read_offset_log(checkpoint)
    watermark = offsets[max(_committed(checkpoint))][1]
    return rounded(
        {
            key: values
            for key, values in all_windows(config.bronze_location).items()
            if start <= key[0] < end and key[1] <= watermark
        }
    )


def open_windows(config: PipelineConfig) -> set[datetime]:
    """Return the starts of the windows that the stream has not emitted yet."""
    checkpoint = config.silver_checkpoint_location(config.silver[0])
    expected = expected_silver(config.bronze_location, checkpoint)
    return {key[0] for key in expected.open_windows}


def rounded(windows: dict[Key, Values]) -> dict[Key, Values]:
    """Return ``windows`` with sums in whole cents, which no order of rows can change.

    The average stands as the sum it was made of: divided, it may lie between two cents.
    """
    return {
        key: (count, _cents(revenue), _cents(average, count))
        for key, (count, revenue, average) in windows.items()
    }


def _cents(amount: float | None, count: int = 1) -> int | None:
    """Return an amount, or the sum behind an average, in cents."""
    return None if amount is None else round(amount * count * 100)


def _committed(checkpoint: str) -> list[int]:
    """Return the batches that the checkpoint has committed."""
    folder = Path(checkpoint, "commits")
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
