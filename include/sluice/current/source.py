"""The rows that a merge takes into a table of current rows, and those it takes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.columns import PROCESSING_TIME, SOURCE_FILE
from sluice.current.rows import CurrentRows, column_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sluice.current.changes import Changes

GONE = "_sluice_gone"


@dataclass(frozen=True)
class MergeSource:
    """What is to be merged of ``bronze``, as it was at one version, into ``table``.

    Computed by Spark when it is written.
    """

    rows: CurrentRows
    changes: Changes
    bronze: DataFrame
    table: DataFrame

    def new(self, rows: DataFrame) -> DataFrame:
        """Return those of ``rows`` that may be new since the last merge."""
        if not self.changes.has_new:
            return rows.limit(0)
        if self.changes.since is None:
            return rows
        read = F.col(PROCESSING_TIME)
        # Other writers may leave it empty.
        return rows.where(read.isNull() | (read >= F.lit(self.changes.since)))

    def compute(self) -> DataFrame:
        """Return rows as the table has them, and of those to go that they are gone."""
        prepared = self.rows.prepare(self.bronze)
        if self.changes.replaces:
            return self._recomputed(prepared)
        new = self.new(prepared)
        if not self.rows.current.keeps_history:
            return self._shaped(self.rows.newest(new))
        mine = self.table.join(self._keys(new), self.rows.keys, "left_semi")
        return self._shaped(self.rows.newest(new, mine))

    def _recomputed(self, prepared: DataFrame) -> DataFrame:
        """Compute keys from bronze, and from rows of files that bronze has no more."""
        mine = self.table
        if not self.changes.rewritten:
            parts = (self._of_replayed(prepared), self._of_replayed(mine))
            keys = self._keys(self.new(prepared))
            for part in parts:
                keys = keys.union(self._keys(part))
            keys = keys.distinct()
            prepared = prepared.join(keys, self.rows.keys, "left_semi")
            mine = mine.join(keys, self.rows.keys, "left_semi")
        rows = self.rows.newest(prepared, self._only_here(mine))
        return self._shaped(rows, mine.join(rows, self.rows.identity, "left_anti"))

    def _keys(self, rows: DataFrame) -> DataFrame:
        return rows.select(*map(column_of, self.rows.keys)).distinct()

    def _replayed(self) -> DataFrame:
        paths = [(path,) for path in self.changes.replayed]
        session = self.bronze.sparkSession
        return session.createDataFrame(paths, f"{SOURCE_FILE} string")

    def _of_replayed(self, rows: DataFrame) -> DataFrame:
        return rows.join(self._replayed(), SOURCE_FILE, "left_semi")

    def _only_here(self, mine: DataFrame) -> DataFrame:
        """Return the rows of files of which others have deleted all from bronze."""
        files = self.bronze.select(SOURCE_FILE).union(self._replayed()).distinct()
        files = files.select(F.col(SOURCE_FILE).alias("_sluice_file"))
        same = mine[SOURCE_FILE].eqNullSafe(files["_sluice_file"])
        return mine.join(files, same, "left_anti")

    def _shaped(self, rows: DataFrame, gone: DataFrame | None = None) -> DataFrame:
        """Give rows the columns of the table, and say which of them are to go."""
        rows = rows.withColumn(GONE, F.lit(False))  # noqa: FBT003
        if gone is not None:
            lost = gone.withColumn(GONE, F.lit(True))  # noqa: FBT003
            rows = rows.unionByName(lost, allowMissingColumns=True)
        return rows.unionByName(self.table.limit(0), allowMissingColumns=True)
