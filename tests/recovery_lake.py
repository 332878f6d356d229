"""A pipeline whose runs are killed, and what its tables must hold afterwards."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from delta_rows import read_delta
from killing import Query
from sluice.config import PipelineConfig, load_pipeline

START = datetime(2026, 1, 1, tzinfo=UTC)
PIPELINE = """\
name: orders
lake: {lake}
lease_expiry: {lease}
bronze:
  source:
    schema: "order_id string, order_date string, payment_method string"
    options: {options}
silver:
  - name: windows
    event_time: {{column: order_date}}
    group_by: [payment_method]
    aggregates: {{order_count: count(*)}}
"""


class Lake:
    """A pipeline in a folder of its own; its files land in order of their times."""

    def __init__(
        self, folder: Path, *, lease: str = "10 minutes", **options: int | str
    ) -> None:
        """Write the pipeline file unless it is there; ``options`` are its source's.

        A ``lease`` that expires late is renewed seldom, and its writes are few.
        """
        self.folder = folder / "lake"
        self.file = folder / "orders.yaml"
        if not self.file.is_file():
            text = PIPELINE.format(
                lake=self.folder, lease=lease, options=json.dumps(options)
            )
            self.file.write_text(text)
        self.config: PipelineConfig = load_pipeline(str(self.file))
        self.landing = Path(self.config.landing_location)
        self.landing.mkdir(parents=True, exist_ok=True)

    def land(self, files: int) -> None:
        """Land some files more, each of 7 rows over 14 minutes."""
        landed = len(list(self.landing.glob("*.json")))
        for number in range(landed, landed + files):
            lines = [json.dumps(order(number, row)) for row in range(7)]
            (self.landing / f"{number:03d}.json").write_text("\n".join(lines))

    def arguments(self, run_id: str) -> list[str]:
        """Return the arguments of a job."""
        return ["--pipeline", str(self.file), "--run-id", run_id]

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

    def landed_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each landed line, read by nothing of ours."""
        return Counter(
            (str(path), json.loads(line)["order_id"])
            for path in self.landing.glob("*.json")
            for line in path.read_text().splitlines()
        )

    def bronze_rows(self) -> Counter[tuple[str, str]]:
        """Return file and order id of each row of the table, read by delta-rs."""
        rows = read_delta(self.bronze.table).to_pylist()
        return Counter((row["_source_file"], row["order_id"]) for row in rows)

    def closed_windows(self) -> Counter[tuple[datetime, str]]:
        """Return the orders of each window that the last watermark has closed."""
        orders = [
            json.loads(line)
            for path in self.landing.glob("*.json")
            for line in path.read_text().splitlines()
        ]
        times = [datetime.fromisoformat(f"{each['order_date']}Z") for each in orders]
        watermark = max(times) - timedelta(minutes=10)
        windows = Counter(
            (time - (time - START) % timedelta(minutes=5), each["payment_method"])
            for time, each in zip(times, orders, strict=True)
        )
        return Counter(
            {
                window: count
                for window, count in windows.items()
                if window[0] + timedelta(minutes=5) <= watermark
            }
        )

    def silver_windows(self) -> list[tuple[tuple[datetime, str], int]]:
        """Return the rows of the silver table, read by delta-rs."""
        rows = read_delta(self.silver.table).to_pylist()
        return sorted(
            ((row["window_start"], row["payment_method"]), row["order_count"])
            for row in rows
        )


def order(number: int, row: int) -> dict[str, str]:
    """Return an order, later than all orders of the files before."""
    time = START + timedelta(minutes=14 * number + 2 * row)
    return {
        "order_id": f"{number}-{row}",
        "order_date": f"{time:%Y-%m-%d %H:%M:%S}",
        "payment_method": ("card", "cash")[row % 2],
    }
