"""Merge what became of bronze into a table of current rows, as one Delta commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from delta.tables import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.current.rows import VALID_TO, CurrentRows, same
from sluice.current.source import GONE, MergeSource
from sluice.options.configured import source_options
from sluice.schema.properties import tables_that_take
from sluice.spark.settings import applied

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from sluice.config import CurrentConfig, PipelineConfig
    from sluice.current.changes import Changes

_DELTA = "spark.databricks.delta"


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
        rows, bronze = CurrentRows(self.current), self._read_bronze()
        rows.require_columns(bronze)
        self._fit_table(rows.prepare(bronze).schema)
        found = MergeSource(rows, self.changes, bronze, self._read_table())
        left_out = found.new(bronze).where(~rows.usable()).count()
        source = found.compute().persist()
        try:
            with applied(self.spark, self._carried()):
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

    def condition(self) -> Column:
        """Return whether a row of the table is to become that of the source."""
        if self.changes.replaces:
            return F.lit(True)  # noqa: FBT003
        newer = CurrentRows(self.current).is_newer("s", "t")
        if not self.current.keeps_history:
            return newer
        return newer | ~F.col(f"t.{VALID_TO}").eqNullSafe(F.col(f"s.{VALID_TO}"))

    def _read_bronze(self) -> DataFrame:
        reader = self.spark.read.format("delta")
        version = reader.option("versionAsOf", self.changes.up_to)
        return version.load(self.config.bronze_location)

    def _read_table(self) -> DataFrame:
        return self.spark.read.format("delta").load(self.location)

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

    def _carried(self) -> dict[str, str]:
        """Return the settings from which a commit takes what it carries."""
        return {
            f"{_DELTA}.write.txnAppId": self.changes.app_id,
            f"{_DELTA}.write.txnVersion": str(self.changes.up_to),
            f"{_DELTA}.commitInfo.userMetadata": self.changes.metadata,
        }

    def _append_nothing(self) -> None:
        """Let the table know the version, of which it takes no row."""
        empty = self._read_table().limit(0)
        empty.write.format("delta").mode("append").save(self.location)


def merge_rows(merge: Merge, source: DataFrame) -> None:
    """Take in the rows of ``source``, and take out those that are gone."""
    gone = F.col(f"s.{GONE}")
    identity = CurrentRows(merge.current).identity
    (
        DeltaTable.forPath(source.sparkSession, merge.location)
        .alias("t")
        .merge(source.alias("s"), same(identity, "s", "t"))
        .whenMatchedDelete(gone)
        .whenMatchedUpdateAll(merge.condition())
        .whenNotMatchedInsertAll(~gone)
        .execute()
    )


def _lacks(table: StructType, columns: StructType) -> bool:
    """Return True unless the table has all columns in these types."""
    known = {each.name.lower(): each.dataType for each in table}
    return any(known.get(each.name.lower()) != each.dataType for each in columns)
