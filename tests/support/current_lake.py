"""A small lake with a table of current rows, and what that has to hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from sluice.config import CurrentConfig, PipelineConfig
from sluice.current.run import run_current
from sluice.model import StepSummary
from support.delta_rows import read_delta

BRONZE = pa.schema(
    [
        pa.field("id", pa.int32()),
        pa.field("at", pa.int32()),
        pa.field("value", pa.string()),
        pa.field("_rescued_data", pa.string()),
        pa.field("_source_file", pa.string()),
        pa.field("_processing_time", pa.timestamp("us", tz="UTC")),
        pa.field("_processing_date", pa.date32()),
    ]
)
CURRENT = {"name": "newest", "merge_keys": ["id"], "sequence_by": "at"}
_START = datetime(2025, 1, 1, tzinfo=UTC)
Row = tuple[int | None, int | None, str | None]
"""Key, sequence and value of a row; the value ``gone`` deletes."""


@dataclass
class CurrentLake:
    """A pipeline ``orders`` whose bronze the test writes, with one current table."""

    config: PipelineConfig
    hours: int = field(default=0)

    @classmethod
    def at(cls, folder: Path, **current) -> CurrentLake:
        """Return an empty lake; ``current`` replaces keys of its table."""
        raw = {
            "name": "orders",
            "lake": str(folder),
            "bronze": {"source": {"schema": "id int, at int, value string"}},
            "current": [{**CURRENT, "delete_when": "value = 'gone'", **current}],
        }
        return cls(PipelineConfig.model_validate(raw))

    @property
    def current(self) -> CurrentConfig:
        """The table's block of the configuration."""
        return self.config.current[0]

    @property
    def location(self) -> str:
        """The table."""
        return self.config.current_location(self.current)

    @property
    def bronze(self) -> DeltaTable:
        """The bronze table."""
        return DeltaTable(self.config.bronze_location)

    def put(self, *rows: Row, name: str | None = None) -> None:
        """Append rows to bronze as one micro-batch of one file, an hour later."""
        self.hours += 1
        read = _START + timedelta(hours=self.hours)
        stamps = {
            "_source_file": name or f"{self.hours}.json",
            "_processing_time": read,
            "_processing_date": read.date(),
        }
        content = [dict(zip(("id", "at", "value"), row, strict=True)) for row in rows]
        write_deltalake(
            self.config.bronze_location,
            pa.Table.from_pylist([{**row, **stamps} for row in content], schema=BRONZE),
            mode="append",
            partition_by=["_processing_date"],
        )

    def run(self) -> StepSummary:
        """Merge what is new."""
        return run_current(self.config, self.current, run_id="run")

    def rows(self) -> set[tuple[object, ...]]:
        """Return what the table has, each row once: key, sequence, value and more."""
        names = ["id", "at", "value"]
        has = DeltaTable(self.location).schema().fields
        names += [each.name for each in has if each.name in ("_deleted", "_valid_to")]
        found = read_delta(self.location).select(names).to_pylist()
        rows = [tuple(row.values()) for row in found]
        assert len(set(rows)) == len(rows)
        return set(rows)

    def expected(self) -> set[tuple[object, ...]]:
        """Return what bronze as a whole gives, computed here."""
        return self.computed(read_delta(self.config.bronze_location).to_pylist())

    def computed(self, bronze: Iterable[dict]) -> set[tuple[object, ...]]:
        """Return what such rows give."""
        by_key: dict[int, dict[int, dict]] = {}
        for row in sorted(bronze, key=lambda row: row["_processing_time"]):
            if row["id"] is not None and row["at"] is not None:
                by_key.setdefault(row["id"], {})[row["at"]] = row
        found = set()
        for versions in by_key.values():
            times = sorted(versions)
            ends = dict(zip(times, [*times[1:], None], strict=True))
            kept = times if self.current.keeps_history else times[-1:]
            for time in kept:
                row = versions[time]
                end = (ends[time],) if self.current.keeps_history else ()
                is_gone = row["value"] == "gone"
                found.add((row["id"], row["at"], row["value"], is_gone, *end))
        return found
