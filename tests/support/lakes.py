"""A pipeline whose files land in order of time, and what its tables must hold."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluice.config import PipelineConfig, load_pipeline
from sluice.run import run_pipeline
from support.delta_rows import read_delta
from support.killing import Query
from support.oracle import closed_windows

START = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 7
SCHEMA = "order_id string, order_date string, payment_method string"
SLUICE = [sys.executable, "-c", "from sluice.cli import main; main()"]
PIPELINE = """\
name: orders
lake: {lake}
bronze:
  source:
    schema: {schema}
    options: {options}
  unique_key: [order_id]
silver:
  - name: windows
    event_time: {{column: order_date}}
    group_by: [payment_method]
    aggregates: {{order_count: count(*)}}
"""

CURRENT = """\
current:
  - name: newest
    merge_keys: [payment_method]
    sequence_by: order_id
"""

Order = dict[str, str]
Windows = list[tuple[tuple[datetime, str], int]]


class Lake:
    """A pipeline in a folder of its own; each of its files holds seven orders."""

    def __init__(
        self,
        folder: Path,
        *,
        lake: str | None = None,
        schema: str | None = SCHEMA,
        **options: int | str,
    ) -> None:
        """Write the pipeline file unless it is there; ``options`` are its source's.

        Without a ``schema`` it is inferred.
        """
        self.folder = folder / "lake"
        self.file = folder / "orders.yaml"
        if not self.file.is_file():
            text = PIPELINE.format(
                lake=lake or self.folder,
                schema=json.dumps(schema),
                options=json.dumps(options),
            )
            self.file.write_text(text)
        self.config: PipelineConfig = load_pipeline(str(self.file))
        if lake is None:
            self.landing.mkdir(parents=True, exist_ok=True)

    @property
    def landing(self) -> Path:
        """The landing folder."""
        return Path(self.config.landing_location)

    def land(self, files: int) -> None:
        """Land some files more, each of 7 rows over 14 minutes."""
        landed = len(list(self.landing.glob("*.json")))
        for number in range(landed, landed + files):
            self.put(f"{number:03d}.json", [order(number, row) for row in range(ROWS)])

    def put(self, name: str, records: Sequence[Mapping[str, object]]) -> None:
        """Land one file of these records."""
        (self.landing / name).write_text("\n".join(map(json.dumps, records)))

    def landed(self) -> list[tuple[str, Order]]:
        """Return each landed order with its file, read by nothing of ours."""
        return [
            (str(path), json.loads(line))
            for path in self.landing.glob("*.json")
            for line in path.read_text().splitlines()
        ]

    def arguments(self, run_id: str) -> list[str]:
        """Return the arguments of a job."""
        return ["--pipeline", str(self.file), "--run-id", run_id]

    def command(self) -> list[str]:
        """Return the command that runs bronze and silver in one process."""
        return [*SLUICE, "run", str(self.file), "--steps", "bronze,silver"]

    def run(self, run_id: str, *steps: str) -> None:
        """Run steps in this process, whose Spark session is warm."""
        run_pipeline(self.config, run_id=run_id, steps=steps or ("bronze", "silver"))

    @property
    def bronze(self) -> Query:
        """Where bronze writes."""
        config = self.config
        return Query(config.bronze_checkpoint_location, config.bronze_location)

    @property
    def silver(self) -> Query:
        """Where silver writes."""
        (windows,) = self.config.silver
        return Query(
            self.config.silver_checkpoint_location(windows),
            self.config.silver_location(windows),
        )

    @property
    def ledger(self) -> Path:
        """The folder of the ledger."""
        return Path(self.config.schema_location, "_ledger")

    def newest(self) -> dict[str, str]:
        """Return the newest order of each payment method, as landed."""
        landed = sorted(
            (order["order_id"], order["payment_method"]) for _, order in self.landed()
        )
        return {method: key for key, method in landed}

    def current(self) -> dict[str, str]:
        """Return what the table of ``CURRENT`` has, each key once."""
        (current,) = self.config.current
        found = read_delta(self.config.current_location(current))
        rows = found.select(["payment_method", "order_id"]).to_pylist()
        newest = {row["payment_method"]: row["order_id"] for row in rows}
        assert len(newest) == len(rows)
        return newest

    def landed_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each landed order."""
        return Counter((path, order["order_id"]) for path, order in self.landed())

    def bronze_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each row of the table, read by delta-rs."""
        rows = read_delta(self.bronze.table).to_pylist()
        return Counter((row["_source_file"], row["order_id"]) for row in rows)

    def closed_windows(self) -> Windows:
        """Return the windows of what has landed that silver must hold."""
        return closed_windows([order for _, order in self.landed()])

    def silver_windows(self) -> Windows:
        """Return the rows of the silver table, read by delta-rs."""
        rows = read_delta(self.silver.table).to_pylist()
        return sorted(
            ((row["window_start"], row["payment_method"]), row["order_count"])
            for row in rows
        )


def order(number: int, row: int) -> Order:
    """Return an order, later than all orders of the files before."""
    time = START + timedelta(minutes=2 * (ROWS * number + row))
    return {
        "order_id": f"{number}-{row}",
        "order_date": f"{time:%Y-%m-%d %H:%M:%S}",
        "payment_method": ("card", "cash")[row % 2],
    }
