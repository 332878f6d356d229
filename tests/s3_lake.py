"""A pipeline whose lake is a bucket, and what its tables must hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.store import from_url

from delta_rows import read_delta
from killing import Query
from sluice.config import PipelineConfig, load_pipeline

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 7
# Each name would be another one if anything encoded or decoded it, or took it for a
# pattern.
NAMES = ("{:03d} a%20b.json", "{:03d}[x]+#?.json", "{:03d}ü.json")
PIPELINE = """\
name: orders
lake: {lake}
lease_expiry: 2 seconds
bronze:
  source: {{schema: "order_id string, order_date string, payment_method string"}}
  unique_key: [order_id]
silver:
  - name: windows
    event_time: {{column: order_date}}
    group_by: [payment_method]
    aggregates: {{order_count: count(*)}}
"""
SLUICE = [sys.executable, "-c", "from sluice.cli import main; main()"]


class BucketLake:
    """A pipeline in a bucket; its files land in order of their times."""

    def __init__(self, folder: Path, bucket: str) -> None:
        """Write the pipeline file, which lies on the disk."""
        self.file = folder / "orders.yaml"
        self.file.write_text(PIPELINE.format(lake=f"{bucket}/the lake"))
        self.config: PipelineConfig = load_pipeline(str(self.file))
        self._landed: dict[str, list[dict[str, str]]] = {}

    @property
    def bronze(self) -> Query:
        """Where bronze writes."""
        config = self.config
        return Query(config.bronze_checkpoint_location, config.bronze_location)

    def land(self, files: int) -> None:
        """Land some files more, each of 7 orders over 14 minutes."""
        landing = self.config.landing_location
        for number in range(len(self._landed), len(self._landed) + files):
            name = NAMES[number % len(NAMES)].format(number)
            self._put(f"{landing}/{name}", [order(number, row) for row in range(ROWS)])

    def rewrite(self, number: int, rows: int) -> str:
        """Give a landed file its first ``rows`` orders only; return its path."""
        path = list(self._landed)[number]
        self._put(path, self._landed[path][:rows])
        return path

    def lose(self, location: str) -> None:
        """Delete all objects below a location."""
        store = from_url(location)
        obstore.delete(
            store, [each["path"] for page in obstore.list(store) for each in page]
        )

    def _put(self, path: str, orders: list[dict[str, str]]) -> None:
        folder, _, name = path.rpartition("/")
        content = "\n".join(map(json.dumps, orders)).encode()
        obstore.put(from_url(folder), name, content)
        self._landed[path] = orders

    def landed_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each landed row."""
        return Counter(
            (path, each["order_id"])
            for path, orders in self._landed.items()
            for each in orders
        )

    def bronze_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each row of the table, read by delta-rs."""
        rows = read_delta(self.config.bronze_location).to_pylist()
        return Counter((row["_source_file"], row["order_id"]) for row in rows)

    def silver_windows(self) -> list[tuple[tuple[datetime, str], int]]:
        """Return the rows of the silver table, read by delta-rs."""
        location = self.config.silver_location(self.config.silver[0])
        return sorted(
            ((row["window_start"], row["payment_method"]), row["order_count"])
            for row in read_delta(location).to_pylist()
        )

    def closed_windows(self) -> list[tuple[tuple[datetime, str], int]]:
        """Return the orders of each window that the watermark of all of them closes."""
        orders = [each for landed in self._landed.values() for each in landed]
        times = [datetime.fromisoformat(f"{each['order_date']}Z") for each in orders]
        watermark = max(times) - timedelta(minutes=10)
        windows = Counter(
            (time - (time - START) % timedelta(minutes=5), each["payment_method"])
            for time, each in zip(times, orders, strict=True)
        )
        return sorted(
            (window, count)
            for window, count in windows.items()
            if window[0] + timedelta(minutes=5) <= watermark
        )

    def sluice(self, *arguments: str) -> Any:
        """Run a ``sluice`` command in a process of its own; return what it prints.

        The name of the command may be two words; options follow it.
        """
        done = self.attempt(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def attempt(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run a ``sluice`` command that may fail."""
        return subprocess.run(
            [*SLUICE, *command.split(), str(self.file), *options, "--json"],
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1"},
            capture_output=True,
            check=False,
            text=True,
        )


def order(number: int, row: int) -> dict[str, str]:
    """Return an order, later than all orders of the files before."""
    time = START + timedelta(minutes=2 * (ROWS * number + row))
    return {
        "order_id": f"{number}-{row}",
        "order_date": f"{time:%Y-%m-%d %H:%M:%S}",
        "payment_method": ("card", "cash")[row % 2],
    }
