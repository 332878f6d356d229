"""Real pipelines without Spark: delta-rs tables, a real ledger, checkpoint files.

What is written here is what Spark 4.2 and Delta 4.4 write; the readers are held against
the real thing in tests/spark/test_checkpoint.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, Transaction, write_deltalake

from sluice.checkpoint import read_checkpoint
from sluice.config import PipelineConfig, SilverConfig
from sluice.delta.log import latest_transaction, open_table
from sluice.discovery.run import discover
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut
from sluice.model import CHAIN_START, SeqRange
from sluice.options.configured import source_options
from sluice.preflight.run import preflight
from sluice.versions import ledger_offset
from support.delta_rows import read_delta

START = datetime(2026, 1, 1, tzinfo=UTC)
SILVER = {
    "name": "windows",
    "event_time": {"column": "order_date"},
    "group_by": ["payment_method"],
    "aggregates": {"order_count": "count(*)"},
}
BRONZE_SCHEMA = pa.schema(
    [
        ("order_id", pa.string()),
        ("order_date", pa.string()),
        ("payment_method", pa.string()),
        ("_rescued_data", pa.string()),
        ("_source_file", pa.string()),
        ("_processing_time", pa.timestamp("us", tz="UTC")),
        ("_processing_date", pa.date32()),
    ]
)
WINDOWS_SCHEMA = pa.schema(
    [
        ("window_start", pa.timestamp("us", tz="UTC")),
        ("window_end", pa.timestamp("us", tz="UTC")),
        ("payment_method", pa.string()),
        ("order_count", pa.int64()),
    ]
)


def pipeline_config(
    lake: Path, *, silver: bool = False, **keys: object
) -> PipelineConfig:
    """Return the configuration of a pipeline ``orders`` whose lake is ``lake``."""
    content = {
        "name": "orders",
        "lake": str(lake),
        "bronze": {"unique_key": ["order_id"]},
        "silver": [SILVER] if silver else [],
    }
    return PipelineConfig.model_validate(content | keys)


def metadata_text(query_id: str) -> str:
    """Return what Spark writes into a checkpoint's ``metadata``."""
    return json.dumps({"id": query_id})


def offsets_text(
    *offsets: str | None, watermark_ms: int = 0, timestamp_ms: int = 0, version: int = 1
) -> str:
    """Return a file of the offset log."""
    metadata = {
        "batchWatermarkMs": watermark_ms,
        "batchTimestampMs": timestamp_ms,
        "conf": {"spark.sql.shuffle.partitions": "2"},
    }
    spelled = ["-" if each is None else each for each in offsets]
    if version == 2:
        metadata["sourceMetadataInfo"] = {}
        spelled = [f"{number}:{each}" for number, each in enumerate(spelled)]
    return "\n".join([f"v{version}", json.dumps(metadata), *spelled])


def commit_text(next_watermark_ms: int = 0, *, version: int = 1) -> str:
    """Return a file of the commit log."""
    metadata: dict[str, object] = {"nextBatchWatermarkMs": next_watermark_ms}
    if version > 1:
        metadata["stateUniqueIds"] = {"0": [["6489511b"], ["8cda6712"]]}
    return f"v{version}\n{json.dumps(metadata)}"


@dataclass
class CheckpointBuilder:
    """A checkpoint folder, file by file as Spark leaves it, checksums included."""

    location: Path
    query_id: str = "c9e12581-190e-4431-a068-3462a0ab8389"

    def plan(self, batch_id: int, *offsets: str | None, watermark_ms: int = 0) -> None:
        """Log the offsets of a batch; the first also writes ``metadata``."""
        self.write("metadata", metadata_text(self.query_id))
        time_ms = int((START + timedelta(minutes=batch_id)).timestamp() * 1000)
        text = offsets_text(*offsets, watermark_ms=watermark_ms, timestamp_ms=time_ms)
        self.write(f"offsets/{batch_id}", text)

    def commit(self, batch_id: int, *, next_watermark_ms: int = 0) -> None:
        """Log that a batch is done."""
        self.write(f"commits/{batch_id}", commit_text(next_watermark_ms))

    def write(self, key: str, text: str) -> None:
        """Write one file, and Hadoop's checksum beside it."""
        path = self.location / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.with_name(f".{path.name}.crc").write_bytes(b"crc\0")

    def remove(self, key: str) -> None:
        """Lose one file and its checksum."""
        path = self.location / key
        path.unlink()
        path.with_name(f".{path.name}.crc").unlink()


@dataclass
class PipelineBuilder:
    """A pipeline that lands files and runs micro-batches, one call each."""

    config: PipelineConfig
    bronze: CheckpointBuilder = field(init=False)
    silver: CheckpointBuilder = field(init=False)

    def __post_init__(self) -> None:
        """Put the checkpoints where the configuration has them."""
        root = Path(self.config.bronze_checkpoint_location)
        self.bronze = CheckpointBuilder(root)
        root = root.parent / "windows"
        self.silver = CheckpointBuilder(root, "d5d4a185-38cf-447f-b782-0e5b94f4a2bc")

    @property
    def windows(self) -> SilverConfig:
        """The silver table's block of the configuration."""
        return self.config.silver[0]

    @property
    def ledger(self) -> Ledger:
        """The pipeline's ledger, made where it is not there yet."""
        location = self.config.schema_location
        # Most tests ask often, and to open one takes a third of the time.
        is_made = Path(location, "_ledger", "claims", "_delta_log").is_dir()
        found = Ledger.open(location) if is_made else None
        return found or Ledger.open_or_create(location)

    def land(self, name: str, *, rows: int = 3) -> str:
        """Land a file of ``rows`` orders and return its path."""
        path = Path(self.config.landing_location, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(order(name, number)) for number in range(rows)]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return str(path)

    def discover(self) -> int:
        """Enter what has landed into the ledger."""
        options = source_options(self.config)
        return discover(self.ledger, options, run_id="run-1").files

    def run_batch(
        self,
        *,
        up_to: int | None = None,
        transaction: bool = True,
        written: bool = True,
        committed: bool = True,
    ) -> SeqRange:
        """Run the next bronze batch up to a seq, by default over all there is."""
        self.discover()
        batch_id, start = self._next_batch()
        ledger = self.ledger
        end = ledger.high_seq() if up_to is None else up_to
        end = ledger.claim(SeqRange(start, end), run_id="run-1")
        self.bronze.plan(batch_id, json.dumps(ledger_offset(ledger.ledger_id, end)))
        if written:
            self.write_rows(
                [file.path for file in ledger.files(start, end)],
                batch_id=batch_id if transaction else None,
            )
        if committed:
            self.bronze.commit(batch_id)
        return SeqRange(start, end)

    def offset(self, seq: int) -> str:
        """Return the offset of the source at ``seq``."""
        return json.dumps(ledger_offset(self.ledger.ledger_id, seq))

    def write_rows(self, paths: Sequence[str], *, batch_id: int | None = None) -> None:
        """Append the rows of landed files to bronze, as a batch or without one."""
        quarantined = {
            file.path
            for file in self.ledger.left_out().values()
            if file.kind is LeftOut.QUARANTINED
        }
        rows = [
            bronze_row(path, line)
            for path in paths
            if path not in quarantined
            for line in Path(path).read_text(encoding="utf-8").splitlines()
        ]
        write_deltalake(
            self.config.bronze_location,
            pa.Table.from_pylist(rows, schema=BRONZE_SCHEMA),
            mode="append",
            partition_by=self.config.bronze.partition_by or None,
            commit_properties=_transaction(self.bronze.query_id, batch_id),
        )

    def run_silver_batch(
        self, windows: Sequence[dict[str, object]] = (), *, watermark_ms: int = 0
    ) -> None:
        """Run the next silver batch, which emits ``windows``."""
        batch_id = _planned(self.silver)
        bronze = open_table(self.config.bronze_location)
        offset = {
            "reservoirId": str(bronze.metadata().id) if bronze else "none",
            "reservoirVersion": bronze.version() + 1 if bronze else 0,
            "index": -1,
        }
        self.silver.plan(batch_id, json.dumps(offset), watermark_ms=watermark_ms)
        write_deltalake(
            self.config.silver_location(self.windows),
            pa.Table.from_pylist(list(windows), schema=WINDOWS_SCHEMA),
            mode="append",
            commit_properties=_transaction(self.silver.query_id, batch_id),
        )
        self.silver.write(f"state/0/0/{batch_id + 1}.delta", "")
        self.silver.commit(batch_id, next_watermark_ms=watermark_ms + 60_000)

    def go_on(self) -> None:
        """Run on from the checkpoint as Spark does, once the preflight allows it.

        This is what MicroBatchExecution and Delta's sink do.
        """
        preflight(self.config, run_id="goes on")
        location, ledger = self.config.bronze_checkpoint_location, self.ledger
        while True:
            checkpoint = read_checkpoint(location)
            assert checkpoint is not None
            assert checkpoint.query_id is not None
            self.bronze = CheckpointBuilder(Path(location), checkpoint.query_id)
            batch, start = checkpoint.last_planned, CHAIN_START
            if batch is not None:
                assert batch == 0 or batch - 1 in checkpoint.offsets
                start = json.loads(checkpoint.offsets[batch].offsets[0] or "")["seq"]
            batch = 0 if batch is None else batch + 1
            end = ledger.claimed_end(start)
            if end is None:
                end = ledger.high_seq()
                if end == start:
                    return
                end = ledger.claim(SeqRange(start, end), run_id="goes on")
            self.bronze.plan(batch, self.offset(end))
            done = latest_transaction(self.config.bronze_location, checkpoint.query_id)
            if done is None or done < batch:
                paths = [file.path for file in ledger.files(start, end)]
                self.write_rows(paths, batch_id=batch)
            self.bronze.commit(batch)

    def rows_by_file(self) -> Counter[str]:
        """Return how many rows bronze has of each file, by its name."""
        paths = read_delta(self.config.bronze_location)["_source_file"].to_pylist()
        return Counter(Path(path).name for path in paths)

    def _next_batch(self) -> tuple[int, int]:
        """Return the id of the next batch and the seq at which it begins."""
        claims = self.ledger.claims()
        return _planned(self.bronze), claims[-1].range.end if claims else CHAIN_START


def order(name: str, number: int) -> dict[str, object]:
    """Return one order, its id unique by file and number."""
    return {
        "order_id": f"{name}-{number}",
        "order_date": f"2026-01-01 00:00:{number % 60:02d}",
        "payment_method": "card",
    }


def bronze_row(path: str, line: str) -> dict[str, object]:
    """Return the row that bronze holds for one line of a landed file."""
    values = json.loads(line)
    rescued = values.pop("rescued", None)
    return values | {
        "_rescued_data": rescued,
        "_source_file": path,
        "_processing_time": START,
        "_processing_date": date(2026, 1, 1),
    }


def window(minute: int, payment_method: str = "card") -> dict[str, object]:
    """Return the row of a five-minute window beginning at ``minute``."""
    start = START + timedelta(minutes=minute)
    return {
        "window_start": start,
        "window_end": start + timedelta(minutes=5),
        "payment_method": payment_method,
        "order_count": 1,
    }


def _transaction(query_id: str, batch_id: int | None) -> CommitProperties:
    """Return what makes a commit a batch's; None makes it another writer's."""
    if batch_id is None:
        return CommitProperties()
    return CommitProperties(app_transactions=[Transaction(query_id, batch_id)])


def _planned(checkpoint: CheckpointBuilder) -> int:
    """Return the id of the batch that comes next."""
    folder = checkpoint.location / "offsets"
    ids = [int(each.name) for each in folder.glob("[0-9]*")] if folder.is_dir() else []
    return max(ids, default=-1) + 1
