"""What Spark and Delta do in a run of bronze, in plain Python: no JVM to wait for.

The source, its tasks' reading, the ledger, lease and archive are the real ones. Spark's
loop over micro-batches and Delta's sink are written here in the fewest words, in the
order of docs/delivery_guarantees.md; tests/recovery has the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute
from deltalake import CommitProperties, Transaction, write_deltalake
from pyspark.sql.types import StringType, StructField, StructType

from sluice.bronze.source import source_settings
from sluice.bronze.transform import with_source_columns
from sluice.config import PipelineConfig
from sluice.control.hold import hold_lease
from sluice.errors import Condition, FatalError
from sluice.history import archive_history, count_batches, record_step
from sluice.model import StepSummary
from sluice.preflight.run import preflight
from sluice.source.datasource import CloudFilesDataSource, CloudFilesStreamReader
from support.builders import commit_text, metadata_text, offsets_text
from support.killing import Query

# Renewed seldom, so the writes of a run are few.
LEASE_EXPIRY = timedelta(minutes=10)
COLUMNS = ("order_id", "order_date", "payment_method")
BRONZE = pa.schema(
    [
        *((name, pa.string()) for name in (*COLUMNS, "_rescued_data", "_source_file")),
        ("_processing_time", pa.timestamp("us", tz="UTC")),
        ("_processing_date", pa.date32()),
    ]
)


def run_bronze(config: PipelineConfig, *, run_id: str, max_files: int) -> bool:
    """Do what a run of bronze does; return True if there was anything to do."""
    started = datetime.now(UTC)
    found = preflight(config, run_id=run_id)
    if not found.bronze_has_work:
        return False
    checkpoint = config.bronze_checkpoint_location
    with hold_lease(checkpoint, query="bronze", run_id=run_id, expiry=LEASE_EXPIRY):
        while not _run_query(config, run_id, max_files):
            pass
        archive_history(config)
    counts = count_batches(config, after=found.bronze_batch)
    summary = StepSummary("bronze", run_id, counts)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return True


def _run_query(config: PipelineConfig, run_id: str, max_files: int) -> bool:
    """Run the query; false where a task put a file in quarantine and failed it."""
    settings = source_settings(config) | {
        "path": config.landing_location,
        "sluice.runId": run_id,
        "cloudFiles.maxFilesPerTrigger": str(max_files),
    }
    fields = [StructField(name, StringType()) for name in COLUMNS]
    schema = with_source_columns(StructType(fields))
    reader = CloudFilesDataSource(settings).streamReader(schema)
    assert isinstance(reader, CloudFilesStreamReader)
    try:
        _run_batches(Sink(config), reader)
    except FatalError as error:
        if error.condition is not Condition.BAD_FILE:
            raise
        return False
    return True


def _run_batches(sink: Sink, reader: CloudFilesStreamReader) -> None:
    """Repeat the micro-batch that was cut off, then run all that there are."""
    sink.log("metadata", metadata_text(str(uuid4())))
    reader.prepareForTriggerAvailableNow()
    batch, done = sink.query.planned, sink.query.committed
    start = sink.offset(done) if done >= 0 else reader.initialOffset()
    if batch > done:
        sink.run_batch(reader, batch, start, sink.offset(batch))
        start = sink.offset(batch)
    while (end := reader.latestOffset(start, reader.getDefaultReadLimit())) != start:
        batch += 1
        sink.log(f"offsets/{batch}", offsets_text(json.dumps(end)))
        sink.run_batch(reader, batch, start, end)
        start = end


class Sink:
    """The logs of the checkpoint, and the table as Delta's sink writes it."""

    def __init__(self, config: PipelineConfig) -> None:
        self.query = Query(config.bronze_checkpoint_location, config.bronze_location)

    @property
    def query_id(self) -> str:
        """The id under which the query commits, the first one that was written."""
        metadata = Path(self.query.checkpoint, "metadata").read_text()
        return str(json.loads(metadata)["id"])

    def log(self, key: str, text: str) -> None:
        """Write a file of the checkpoint in one step, unless it is there."""
        path = Path(self.query.checkpoint, key)
        if path.is_file():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        being_written = path.with_name(f".{path.name}.tmp")
        being_written.write_text(text)
        being_written.rename(path)

    def offset(self, batch: int) -> dict[str, object]:
        """Return the offset at the end of a logged batch."""
        text = Path(self.query.checkpoint, "offsets", str(batch)).read_text()
        return dict(json.loads(text.splitlines()[2]))

    def run_batch(
        self,
        reader: CloudFilesStreamReader,
        batch: int,
        start: dict[str, object],
        end: dict[str, object],
    ) -> None:
        """Write a batch in one commit, unless the table has it, and log it."""
        rows = list(_rows(reader, start, end))
        if self.query.written < batch:
            write_deltalake(
                self.query.table,
                pa.concat_tables(rows),
                mode="append",
                partition_by=["_processing_date"],
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(self.query_id, batch)]
                ),
            )
        self.log(f"commits/{batch}", commit_text())


def _rows(
    reader: CloudFilesStreamReader, start: dict[str, object], end: dict[str, object]
) -> Iterator[pa.Table]:
    """Yield the rows of each of a batch's tasks, as bronze keeps them."""
    yield BRONZE.empty_table()
    now = datetime.now(UTC)
    for task in reader.partitions(start, end):
        for batch in reader.read(task):
            known = [batch[name] for name in (*COLUMNS, "_rescued_data")]
            paths = pa.compute.struct_field(batch["_metadata"], "file_path")
            stamps = [
                pa.repeat(pa.scalar(value, BRONZE.field(name).type), batch.num_rows)
                for name, value in (
                    ("_processing_time", now),
                    ("_processing_date", now.date()),
                )
            ]
            yield pa.table([*known, paths, *stamps], schema=BRONZE)
