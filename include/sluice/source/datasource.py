"""The ``cloudFiles`` format as Spark sees it: the order of a micro-batch's steps.

In the driver's Python process Spark calls ``prepareForTriggerAvailableNow`` (discover),
``latestOffset`` (admit and claim) and ``partitions`` (pack); in the workers ``read``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.streaming.datasource import (
    ReadAllAvailable,
    ReadLimit,
    ReadMaxFiles,
    SupportsTriggerAvailableNow,
)
from pyspark.sql.types import StringType, StructField, StructType

from sluice.cleanup.replanned import find_archived
from sluice.cleanup.stream import clean_stream
from sluice.columns import ADDED_BY_BRONZE, METADATA, RESCUED_DATA
from sluice.discovery.listing import selection_of
from sluice.discovery.run import discover
from sluice.errors import Condition, FatalError, UsageError
from sluice.ledger.compact import compact_ledger
from sluice.ledger.damage import damage_named
from sluice.ledger.ledger import Ledger
from sluice.ledger.superseded import record_superseded
from sluice.model import CHAIN_START, SeqRange
from sluice.options.globs import plain_root
from sluice.options.options import (
    CloudFilesOptions,
    parse_options,
    require_declarable,
    warn_of_passed_over,
    with_inferred,
    with_prefixes,
)
from sluice.options.table import EvolutionMode, ParseMode
from sluice.reading.dropped import DropBook
from sluice.reading.new_fields import NewFieldsError
from sluice.reading.partition import FileSlice, plan_partitions
from sluice.reading.plan import NewFields, ReadPlan
from sluice.reading.read import read_slices
from sluice.schema.evolve import evolve
from sluice.schema.infer import schema_of
from sluice.schema.kept import SchemaVersion, latest_version
from sluice.schema.readable import require_readable
from sluice.source.admit import MOST_FILES, AdmissionLimit, limit_of, plan_end
from sluice.source.metadata import METADATA_TYPE, require_metadata
from sluice.source.planned import files_to_read, open_drop_book
from sluice.spark.executors import require_same
from sluice.spark.no_pandas import leave_pandas_out
from sluice.versions import ledger_offset, release, require_known_offset

Offset = dict[str, Any]
# Looking whether the ledger has many small files costs opening three tables.
_COMPACT_EVERY = 100
# Java's option for a schema that is given, which Spark hands over after ``load`` only,
# and the one by which it says that it holds rows against the types of a Delta table.
_GIVEN_SCHEMA = "sluice.givenschema"
_CHECKS_TYPES = "sluice.checkstypes"
_SHARES_METADATA = "sluice.sharesmetadata"


class CloudFilesDataSource(DataSource):
    """``spark.readStream.format("cloudFiles")``, with Auto Loader's option names."""

    def __init__(self, options: dict[str, str]) -> None:
        """Check ``options``: at ``load``, without the jar if no schema is given.

        With it a schema that is given is checked as well.

        Raises:
            UsageError: an option is unknown, wrong, missing, or not built yet, or does
                not go with the schema.
        """
        java = {_GIVEN_SCHEMA, _CHECKS_TYPES, _SHARES_METADATA}
        own = {name: text for name, text in options.items() if name not in java}
        super().__init__(with_prefixes(own))
        self._parsed = parse_options(self.options)
        self._infers = False
        self._checks_types = _CHECKS_TYPES in options
        self._shares_metadata = _SHARES_METADATA in options
        if _GIVEN_SCHEMA in options:
            given = json.loads(options[_GIVEN_SCHEMA])
            self.streamReader(StructType.fromJson(given))
        warn_of_passed_over(self._parsed)

    @classmethod
    def name(cls) -> str:
        """Return the name that Spark finds the format by."""
        return "cloudFiles"

    def schema(self) -> StructType:
        """Return the kept or inferred schema; called when the user gives none.

        Raises:
            UsageError: columns are to widen, and nothing would hold them against the
                table; or no schema can be inferred.
        """
        # Spark keeps this object, and so what a format does without a schema.
        options = self._parsed = parse_options(with_inferred(self.options))
        if options.widens and not (self._checks_types or options.pipeline):
            raise _unchecked_error()
        self._infers = True
        rescued = options.rescued_column or RESCUED_DATA
        # A field that is called like a column of ours is rescued, as any unknown one.
        taken = {rescued.lower(), METADATA} | _reserved(options)
        kept = schema_of(options).fields
        fields = [each for each in kept if each.name.lower() not in taken]
        if options.rescues_by_default:
            fields.append(StructField(rescued, StringType()))
        if options.metadata_column:
            fields.append(StructField(METADATA, METADATA_TYPE))
        return StructType(fields)

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:
        """Return the reader of a stream in ``schema``, the user's or the kept one.

        Raises:
            UsageError: the user's schema is to evolve, which nothing could keep, or has
                columns that no file of the format fills.
        """
        options = self._parsed
        if self._infers:
            mode = options.evolution_mode or EvolutionMode.ADD_NEW_COLUMNS
            options = replace(options, evolution_mode=mode)
        else:
            require_declarable(options)
        return CloudFilesStreamReader(
            options, schema, shares_metadata=self._shares_metadata
        )


@dataclass
class SlicePartition(InputPartition):
    """What one task reads, and where it records a file that it cannot read.

    - ``batch``: the micro-batch that it is of;
    - ``release``: the one that planned it, for another may read other rows in it;
    - ``book``: where it records malformed records that it drops.
    """

    slices: list[FileSlice]
    ledger: Ledger
    batch: SeqRange
    # The default is what a partition has that another release pickled without it.
    release: str = "an older one"
    book: DropBook | None = None


class CloudFilesStreamReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Plans micro-batches through the ledger and reads them in the workers.

    Spark makes several of these in several processes, so making one has no effect.
    """

    def __init__(
        self,
        options: CloudFilesOptions,
        schema: StructType,
        *,
        shares_metadata: bool = False,
    ) -> None:
        self._options = options
        require_metadata(schema)
        require_readable(schema, variants=options.format.holds_variants)
        output = to_arrow_schema(schema, timezone="UTC")
        plan = plan_reading(options, output)
        self._plan = replace(plan, shares_metadata=shares_metadata)
        self._target = options.discovered_up_to
        self._commits = 0

    def initialOffset(self) -> Offset:
        """Return the offset before an empty first micro-batch, and so before all."""
        return _offset(self._ledger(), CHAIN_START)

    def getDefaultReadLimit(self) -> ReadLimit:
        """Return the limit on files; the other limits are applied beside it."""
        return ReadMaxFiles(self._options.max_files or MOST_FILES)

    def prepareForTriggerAvailableNow(self) -> None:
        """Discover, unless this run has, and let it end with what is there now."""
        ledger = self._ledger()
        if self._target is None:
            self._target = self._discover(ledger)
        compact_ledger(ledger.root)

    def commit(self, end: Offset) -> None:
        """Keep the ledger's files few while a standing query runs; ``end`` is done."""
        self._commits += 1
        if self._commits % _COMPACT_EVERY == 0:
            compact_ledger(self._require_ledger(end).root)

    def latestOffset(self, start: Offset, limit: ReadLimit) -> Offset:
        """Claim the micro-batch after ``start`` and return its end.

        If any driver already claimed that micro-batch, return that end. With
        nothing new ``start`` itself is returned, for Spark compares offsets as text.
        """
        ledger = self._require_ledger(start)
        begin = int(start["seq"])
        end = ledger.claimed_end(begin)
        if end is None:
            end = self._admit(ledger, begin, limit)
        if end == begin:
            return start
        # Spark asks for the next micro-batch once the one before is in the sink.
        clean_stream(self._options, ledger, begin)
        return _offset(ledger, end)

    def reportLatestOffset(self) -> Offset | None:
        """Return the newest file of the ledger; Spark computes the backlog from it."""
        ledger = self._ledger()
        return _offset(ledger, ledger.high_seq())

    def partitions(self, start: Offset, end: Offset) -> list[InputPartition]:
        """Pack the files of the micro-batch, but for those that are left out."""
        ledger = self._require_ledger(end)
        planned = SeqRange(int(start["seq"]), int(end["seq"]))
        files = files_to_read(ledger, planned)
        if self._options.allow_overwrites:
            gone = record_superseded(ledger, files, run_id=self._options.run_id)
            files = [file for file in files if file.seq not in gone]
        packed = plan_partitions(
            find_archived(self._options, ledger, files),
            max_bytes=self._options.max_partition_bytes,
            min_partitions=self._options.min_partitions,
            source_format=self._options.format,
        )
        planned_by, book = release(), open_drop_book(ledger, planned, self._options)
        return [
            SlicePartition(
                each, ledger, planned, planned_by, book and book.narrowed(each)
            )
            for each in packed
        ]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read one task's files; runs in a worker.

        Raises:
            FatalError: the driver has another release of this package.
            RetryableError: files have new fields, which the schema now has.
        """
        if not isinstance(partition, SlicePartition):
            message = f"expected a SlicePartition, got {type(partition).__name__}"
            raise TypeError(message)
        require_same({"sluice": partition.release}, [{"sluice": release()}])
        return self._read(partition)

    def _read(self, partition: SlicePartition) -> Iterator[pa.RecordBatch]:
        ledger, options = partition.ledger, self._options
        plan = self._read_plan(ledger, partition.book)
        try:
            yield from read_slices(partition.slices, plan)
        except NewFieldsError as found:
            files = files_to_read(ledger, partition.batch)
            batch = find_archived(options, ledger, files)
            raise evolve(options, plan, batch, found) from found

    def _read_plan(self, ledger: Ledger, book: DropBook | None) -> ReadPlan:
        options = self._options
        records = options.leaves_out or options.allow_overwrites
        return replace(
            self._plan,
            ledger=ledger if records else None,
            book=book,
            goes_on=True,
            new_fields=NewFields.ADDED if options.evolves else self._plan.new_fields,
            keeps_versions=options.allow_overwrites,
        )

    def _ledger(self) -> Ledger:
        leave_pandas_out()
        if not self._options.schema_location_given:
            logging.getLogger("sluice").warning(
                "cloudFiles.schemaLocation is not set: the ledger of %r is kept in %r",
                self._options.path,
                self._options.schema_location,
            )
        return Ledger.open_or_create(self._options.schema_location)

    def _require_ledger(self, offset: Mapping[str, Any]) -> Ledger:
        require_known_offset("the offset in the checkpoint", offset)
        ledger = self._ledger()
        if offset["ledger"] != ledger.ledger_id:
            raise FatalError(
                Condition.LEDGER_MISMATCH,
                f"the checkpoint was written with ledger {offset['ledger']}, and "
                f"{ledger.root!r} is {ledger.ledger_id}: going on would pass over new "
                "files; restore the ledger from backup, or start a new checkpoint",
                {"expected": offset["ledger"], "found": ledger.ledger_id},
            )
        return ledger

    def _discover(self, ledger: Ledger) -> int:
        with damage_named(ledger.root):
            return discover(ledger, self._options, run_id=self._options.run_id).high

    def _admit(self, ledger: Ledger, begin: int, limit: ReadLimit) -> int:
        target = self._discover(ledger) if self._target is None else self._target
        admission = self._admission(limit)
        # Spark runs a first micro-batch even where nothing has landed: it ends at 0.
        after = self._first_seq(ledger) if begin == CHAIN_START else begin
        # A file has one seq, so no more of them are read than could be admitted.
        reach = after + (admission.max_files or target)
        files = ledger.files(after=after, up_to=min(target, reach))
        end = plan_end(after, files, admission)
        if end == begin:
            return begin
        return ledger.claim(SeqRange(begin, end), run_id=self._options.run_id)

    def _first_seq(self, ledger: Ledger) -> int:
        """Return the seq after which files are read; the first start decides it."""
        if self._options.include_existing:
            return ledger.first_seq()
        return ledger.skip_existing()

    def _admission(self, limit: ReadLimit) -> AdmissionLimit:
        if isinstance(limit, ReadAllAvailable):
            return AdmissionLimit()
        return limit_of(self._options)


def plan_reading(options: CloudFilesOptions, output: pa.Schema) -> ReadPlan:
    """Return how files are read into ``output``; without a ledger for bad ones."""
    refuses = options.evolution_mode is EvolutionMode.FAIL_ON_NEW_COLUMNS
    kept = latest_version(options.schema_location)
    undone = kept.undone_names if kept else frozenset()
    return ReadPlan(
        format=options.format,
        output=output,
        limits=options.limits,
        rescued_column=options.rescued_column or RESCUED_DATA,
        corrupt_column=options.corrupt_column,
        new_fields=NewFields.REFUSED if refuses else NewFields.RESCUED,
        widens=options.widens,
        infers_types=refuses or options.infer_column_types,
        fail_on_malformed=options.parse_mode is ParseMode.FAILFAST,
        ignores_missing=options.ignores_missing,
        ignores_corrupt=options.ignores_corrupt,
        run_id=options.run_id,
        base=plain_root(options.path),
        within=() if options.follow_links else selection_of(options).roots,
        reserved=_reserved(options) | undone,
        partition_columns=_partition_columns(options, output.names, kept),
    )


def _unchecked_error() -> UsageError:
    return UsageError(
        Condition.OPTION_UNSUPPORTED,
        "cloudFiles: option 'cloudFiles.schemaEvolutionMode' is "
        "'addNewColumnsWithTypeWidening', and this session lacks the jar that holds "
        "wider values against the types of the table, which would cut them short: "
        "start it by sluice.session.spark_session, or with the jar on its class path "
        "(docs/options.md), or set the option to 'addNewColumns'",
    )


def _partition_columns(
    options: CloudFilesOptions, names: Sequence[str], version: SchemaVersion | None
) -> tuple[str, ...]:
    """Return the columns that folders give: those asked for, or else those inferred."""
    asked = options.partition_columns
    if asked is None:
        kept = version.partition_columns if version else ()
        return tuple(name for name in kept if name in names and name != METADATA)
    missing = [name for name in asked if name not in names]
    if missing:
        raise UsageError(
            Condition.OPTION_INVALID,
            f"cloudFiles: option 'cloudFiles.partitionColumns' names {missing}, which "
            "the schema does not have; add them to it, with the type they should have",
            {"columns": missing},
        )
    return asked


def _reserved(options: CloudFilesOptions) -> frozenset[str]:
    """Return the names of columns that a pipeline adds to what it reads."""
    return ADDED_BY_BRONZE if options.pipeline else frozenset()


def _offset(ledger: Ledger, seq: int) -> Offset:
    return ledger_offset(ledger.ledger_id, seq)
