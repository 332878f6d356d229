"""Merge what became of bronze into a table of current rows, as one Delta commit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from delta.tables import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.columns import PROCESSING_TIME, SOURCE_FILE
from sluice.current.rows import VALID_TO, CurrentRows, column_of, same
from sluice.options.configured import source_options
from sluice.schema.properties import tables_that_take
from sluice.spark.settings import applied

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from sluice.config import CurrentConfig, PipelineConfig
    from sluice.current.changes import Changes

_WRITE = "spark.databricks.delta.write"
_GONE = "_sluice_gone"


@dataclass(frozen=True, kw_only=True)
class Merge:
    """One merge of ``changes`` into the table of ``current``.

    Bronze is read as it was at one version. A merge that is done again changes nothing,
    for the table passes over its transaction; one that comes late does neither.
    """

    spark: SparkSession
    config: PipelineConfig
    current: CurrentConfig
    changes: Changes

    def run(self) -> int:
        """Merge; return how many of the rows read have no key or no sequence.

        Raises:
            UsageError: bronze lacks what the table needs, or has what it cannot take.
        """
        bronze = self._read_bronze()
        self._rows.require_columns(bronze)
        prepared = self._rows.prepare(bronze)
        self._fit_table(prepared.schema)
        new = self._only_new(bronze)
        source = self._source(prepared).persist()
        try:
            left_out = new.where(~self._rows.usable()).count()
            transaction = {
                f"{_WRITE}.txnAppId": self.changes.app_id,
                f"{_WRITE}.txnVersion": str(self.changes.up_to),
            }
            with applied(self.spark, transaction):
                if source.isEmpty():
                    self._append_nothing()
                else:
                    merge_rows(self, source)
        finally:
            source.unpersist()
        return left_out

    @property
    def location(self) -> str:
        """The table."""
        return self.config.current_location(self.current)

    @property
    def _rows(self) -> CurrentRows:
        return CurrentRows(self.current)

    @property
    def _recomputes(self) -> bool:
        """Whether rows of bronze were replaced, so that a key may have an older one."""
        return bool(self.changes.replayed) or self.changes.rewritten

    def condition(self) -> Column:
        """Return whether a row of the table is to become that of the source."""
        if self._recomputes:
            return F.lit(True)  # noqa: FBT003
        newer = self._rows.is_newer("s", "t")
        if not self.current.keeps_history:
            return newer
        return newer | ~F.col(f"t.{VALID_TO}").eqNullSafe(F.col(f"s.{VALID_TO}"))

    def on(self) -> Column:
        """Return which row of the table is that of the source."""
        return same(self._rows.identity, "s", "t")

    def _read_bronze(self) -> DataFrame:
        return (
            self.spark.read.format("delta")
            .option("versionAsOf", self.changes.up_to)
            .load(self.config.bronze_location)
        )

    def _read_table(self) -> DataFrame:
        return self.spark.read.format("delta").load(self.location)

    def _only_new(self, rows: DataFrame) -> DataFrame:
        if not self.changes.has_new:
            return rows.limit(0)
        if self.changes.since is None:
            return rows
        read = F.col(PROCESSING_TIME)
        # Other writers may leave it empty.
        return rows.where(read.isNull() | (read >= F.lit(self.changes.since)))

    def _source(self, prepared: DataFrame) -> DataFrame:
        """Return the rows that the table is to have, and those it is to lose."""
        new = self._only_new(prepared)
        if not (self.current.keeps_history or self._recomputes):
            return self._shaped(self._rows.newest(new))
        table = self._read_table()
        keys = self._touched(prepared, new, table)
        if self._recomputes:
            new = prepared.join(keys, self._rows.keys, "left_semi")
        mine = table.join(keys, self._rows.keys, "left_semi")
        kept = mine.where(~self._is_replayed())
        rows = self._rows.newest(new, kept)
        gone = mine.join(rows, self._rows.identity, "left_anti")
        return self._shaped(rows, gone)

    def _touched(
        self, prepared: DataFrame, new: DataFrame, table: DataFrame
    ) -> DataFrame:
        """Return the keys whose rows may become others."""
        keys = [column_of(each) for each in self._rows.keys]
        if self.changes.rewritten:
            return prepared.select(*keys).distinct()
        parts = [new]
        if self.changes.replayed:
            parts += [each.where(self._is_replayed()) for each in (prepared, table)]
        found = [each.select(*keys) for each in parts]
        return reduce(lambda one, other: one.union(other), found).distinct()

    def _is_replayed(self) -> Column:
        if not self.changes.replayed:
            return F.lit(False)  # noqa: FBT003
        found = F.col(SOURCE_FILE).isin(*self.changes.replayed)
        return F.coalesce(found, F.lit(False))  # noqa: FBT003

    def _shaped(self, rows: DataFrame, gone: DataFrame | None = None) -> DataFrame:
        """Give rows the columns of the table, and say which of them are to go."""
        rows = rows.withColumn(_GONE, F.lit(False))  # noqa: FBT003
        if gone is not None:
            lost = gone.withColumn(_GONE, F.lit(True))  # noqa: FBT003
            rows = rows.unionByName(lost, allowMissingColumns=True)
        shape = self._read_table().limit(0)
        return rows.unionByName(shape, allowMissingColumns=True)

    def _fit_table(self, columns: StructType) -> None:
        """Make the table, or give it the columns that bronze has got since."""
        widens = source_options(self.config).widens
        empty = self.spark.createDataFrame([], columns)
        with tables_that_take(columns, self.location, self.spark, widens=widens):
            if not DeltaTable.isDeltaTable(self.spark, self.location):
                empty.write.format("delta").mode("append").save(self.location)
            elif _lacks(self._read_table().schema, columns):
                more = empty.write.format("delta").mode("append")
                more.option("mergeSchema", "true").save(self.location)

    def _append_nothing(self) -> None:
        """Let the table know the version, of which it takes no row."""
        empty = self._read_table().limit(0).write.format("delta").mode("append")
        empty.option("txnAppId", self.changes.app_id).option(
            "txnVersion", str(self.changes.up_to)
        ).save(self.location)


def merge_rows(merge: Merge, source: DataFrame) -> None:
    """Take in the rows of ``source``, and take out those that are gone."""
    gone = F.col(f"s.{_GONE}")
    (
        DeltaTable.forPath(source.sparkSession, merge.location)
        .alias("t")
        .merge(source.alias("s"), merge.on())
        .whenMatchedDelete(gone)
        .whenMatchedUpdateAll(merge.condition())
        .whenNotMatchedInsertAll(~gone)
        .execute()
    )


def _lacks(table: StructType, columns: StructType) -> bool:
    """Return True unless the table has all columns in these types."""
    known = {each.name.lower(): each.dataType for each in table}
    return any(known.get(each.name.lower()) != each.dataType for each in columns)
