"""A stream as a user spells it, on a real Spark."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from support.delta_rows import read_rows

DDL = "order_id string, amount double, quantity int"


@dataclass
class Stream:
    """A stream from a landing folder into a Delta table, run to its end each time."""

    spark: SparkSession
    root: Path
    options: dict[str, object] = field(default_factory=dict)

    @property
    def landing(self) -> Path:
        """Where files land."""
        return self.root / "landing"

    def land(
        self, name: str, *records: dict[str, object] | str, seconds: int = 0
    ) -> Path:
        """Write a file of one record a line, dated by ``seconds``."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            each if isinstance(each, str) else json.dumps(each) for each in records
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        moment = 1_767_225_600 + seconds
        os.utime(path, (moment, moment))
        return path

    def read(self, schema: str | None = DDL, **options: object) -> DataFrame:
        """Return the stream as a user spells it."""
        reader = (
            self.spark.readStream.format("cloudFiles")
            .option("cloudFiles.format", "json")
            .option("cloudFiles.schemaLocation", str(self.root / "schemas"))
            .options(**{full_name(name): value for name, value in options.items()})
        )
        if schema is not None:
            reader = reader.schema(schema)
        return reader.load(str(self.landing))

    def start(self, frame: DataFrame, **trigger: object) -> StreamingQuery:
        """Start the query, by default with availableNow."""
        return (
            frame.writeStream.format("delta")
            .option("checkpointLocation", str(self.root / "checkpoint"))
            .trigger(**(trigger or {"availableNow": True}))
            .start(str(self.root / "table"))
        )

    def run(self, schema: str | None = DDL, **options: object) -> list[Row]:
        """Take in what has landed and return all rows of the table."""
        query = self.start(self.read(schema, **options))
        query.awaitTermination()
        return self.rows()

    def rows(self) -> list[Row]:
        """Return all rows of the table."""
        return read_rows(self.root / "table")

    def ends(self) -> list[int]:
        """Return the seq at which each micro-batch ended, from the offset log."""
        folder = self.root / "checkpoint" / "offsets"
        logs = sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name))
        return [json.loads(log.read_text().splitlines()[2])["seq"] for log in logs]


def full_name(option: str) -> str:
    """Return an option's name with the prefix that most have."""
    return option if "." in option else f"cloudFiles.{option}"


def order(number: int, **fields: object) -> dict[str, object]:
    """Return one order."""
    return {"order_id": f"o{number}", "amount": 1.5, "quantity": number, **fields}


def ids(rows: list[Row]) -> list[str]:
    """Return the order ids of rows, sorted."""
    return sorted(row.order_id for row in rows)
