"""Read chosen files again in one batch, by what the stream reads them with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from sluice import storage
from sluice.bronze.source import landed_schema, source_settings
from sluice.bronze.transform import to_bronze
from sluice.bronze.types import require_same_types
from sluice.ledger.dropped import dropped_root
from sluice.ledger.ledger import Ledger
from sluice.options.options import CloudFilesOptions, parse_options
from sluice.paths import join
from sluice.reading.dropped import BadRecords, DropBook
from sluice.reading.partition import FileSlice, plan_partitions
from sluice.reading.plan import ReadPlan
from sluice.reading.read import read_slices
from sluice.source.datasource import plan_reading

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig
    from sluice.model import LedgerFile

# A replay reads all its files in one micro-batch of its own.
_ALL = 0
Partitions = Sequence[Sequence[FileSlice]]


def read_files(
    spark: SparkSession,
    config: PipelineConfig,
    files: Sequence[LedgerFile],
    notes: Ledger,
    *,
    started: datetime | None,
) -> DataFrame:
    """Return the rows of ``files`` as bronze has them, in the schema of today.

    A task that cannot read a file fails. Where the pipeline puts such files in
    quarantine, it first keeps a record in ``notes``, which is not the ledger: there the
    file may be ingested long since. There it records the malformed records that it
    drops; where they are kept, it is in a folder named by when the replay ``started``.
    What only looks, as no replay does, gives no such time and keeps none.

    Raises:
        UsageError: the table has a column in another type.
    """
    settings = source_settings(config) | {"path": config.landing_location}
    options = parse_options(settings)
    schema = landed_schema(config)
    output = to_arrow_schema(schema, timezone="UTC")
    plan = replace(
        plan_reading(options, output),
        ledger=notes if options.leaves_out else None,
        book=_drop_book(options, notes, started),
    )
    partitions = plan_partitions(
        files,
        max_bytes=options.max_partition_bytes,
        min_partitions=options.min_partitions,
        source_format=options.format,
    )
    count = len(partitions)
    read = _reader(partitions, plan)
    # One number a partition names the task's own slices.
    numbers = spark.range(0, count, 1, count)
    rows = to_bronze(numbers.mapInArrow(read, schema))
    require_same_types(rows.schema, config.bronze_location)
    return rows


def open_notes(config: PipelineConfig, replay_id: str) -> Ledger:
    """Return where the tasks of one replay record the files that they cannot read."""
    return Ledger(join(config.schema_location, "_replays", "read", replay_id), "")


def count_dropped_again(notes: Ledger) -> Counter[int]:
    """Return by seq how many records the tasks of a replay have dropped."""
    return notes.dropped(_ALL)


def _drop_book(
    options: CloudFilesOptions, notes: Ledger, started: datetime | None
) -> DropBook | None:
    path, prefix = options.bad_records_path, notes.root.rpartition("/")[2]
    return DropBook.open(
        dropped_root(notes.root, _ALL),
        drops=options.drops_malformed,
        run_id=options.run_id,
        bad_records=BadRecords.of(path, started, prefix) if path and started else None,
    )


def discard_notes(notes: Ledger) -> None:
    """Remove the records of a replay that is over."""
    for key in storage.list_keys(notes.root):
        storage.delete(notes.root, key)


def _reader(
    partitions: Partitions, plan: ReadPlan
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def read(numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                yield from read_slices(partitions[number], plan)

    return read
