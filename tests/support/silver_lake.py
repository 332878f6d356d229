"""A small lake whose bronze is written by the test, row by row."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from sluice.config import PipelineConfig, SilverConfig
from sluice.history.late import TABLE
from sluice.history.tables import read_rows

BRONZE = pa.schema(
    [
        pa.field("order_id", pa.string()),
        pa.field("customer_id", pa.string()),
        pa.field("order_date", pa.string()),
        pa.field("total_amount", pa.float64()),
        pa.field("payment_method", pa.string()),
        pa.field("product_id", pa.string()),
        pa.field("quantity", pa.int32()),
        pa.field("_rescued_data", pa.string()),
        pa.field("_source_file", pa.string()),
        pa.field("_processing_time", pa.timestamp("us", tz="UTC")),
        pa.field("_processing_date", pa.date32()),
    ]
)
LANDED = "order_date string, total_amount double, payment_method string"
SILVER = {
    "name": "orders_windowed_aggregates",
    "event_time": {"column": "order_date"},
    "group_by": ["payment_method"],
    "aggregates": {
        "order_count": "count(*)",
        "total_revenue": "sum(total_amount)",
        "avg_order_value": "avg(total_amount)",
    },
}


@dataclass(frozen=True)
class SilverLake:
    """A lake with one pipeline, ``orders``, and its configuration."""

    config: PipelineConfig

    @classmethod
    def at(cls, folder: Path, **silver) -> SilverLake:
        """Return an empty lake; ``silver`` replaces keys of its only silver table."""
        raw = {
            "name": "orders",
            "lake": str(folder),
            "bronze": {"source": {"schema": LANDED}},
            "silver": [{**SILVER, **silver}],
        }
        return cls(PipelineConfig.model_validate(raw))

    @property
    def silver(self) -> SilverConfig:
        """The only silver table."""
        return self.config.silver[0]

    def archived_batches(self) -> list[dict[str, object]]:
        """Return the rows of ``ops/silver_batches``, by query and batch id."""
        rows = read_rows(self.config.ops_location(TABLE), "true")
        return sorted(rows, key=lambda row: (row["query_id"], row["batch_id"]))

    @property
    def bronze_location(self) -> str:
        """The bronze table."""
        return self.config.bronze_location

    @property
    def silver_location(self) -> str:
        """The silver table."""
        return self.config.silver_location(self.silver)

    @property
    def checkpoint(self) -> str:
        """The checkpoint of the silver query."""
        return self.config.silver_checkpoint_location(self.silver)

    def land(self, name: str, *orders: dict) -> None:
        """Land a file of ``orders``, for bronze to read."""
        path = Path(self.config.landing_location, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(map(json.dumps, orders)))

    def put(self, *orders: dict) -> None:
        """Append ``orders`` to bronze as one version."""
        now = datetime(2025, 1, 2, tzinfo=UTC)
        stamps = {"_processing_time": now, "_processing_date": date(2025, 1, 2)}
        rows = [{**stamps, **row} for row in orders]
        table = pa.Table.from_pylist(rows, schema=BRONZE)
        write_deltalake(
            self.bronze_location,
            table,
            mode="append",
            schema_mode="merge",
            partition_by=["_processing_date"],
        )


def order(time: str | None, amount: float | None = 1.0, method: str = "card") -> dict:
    """Return an order at HH:MM:SS of 2025-01-01; any other text is kept as it is."""
    on_that_day = time is not None and len(time) == 8
    moment = f"2025-01-01 {time}" if on_that_day else time
    return {"order_date": moment, "total_amount": amount, "payment_method": method}
