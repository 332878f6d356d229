"""The rows that a silver micro-batch read, as the stream saw them: counted, or late."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.types import StructType

from sluice.columns import PROCESSING_TIME
from sluice.schema.properties import stored_columns
from sluice.silver.batches import SilverBatch
from sluice.silver.transform import (
    EVENT_TIME,
    is_ahead,
    is_selected,
    late_from,
    with_event_time,
)
from sluice.times import parse_duration

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from sluice.config import SilverConfig

_MINUTE = 60 * 1_000_000
COUNTED = ("input_rows", "late_rows", "null_event_time_rows", "future_rows")


@dataclass(frozen=True)
class BatchRows:
    """Reads the data files of a micro-batch: same event time, same windows."""

    spark: SparkSession
    bronze_location: str
    silver: SilverConfig

    def count(
        self, batch: SilverBatch, files: Sequence[str] | None
    ) -> dict[str, int | None]:
        """Return what is ``COUNTED``; None where bronze no longer has the files."""
        if not files:
            return dict.fromkeys(COUNTED, None if files is None else 0)
        try:
            row = self._count(batch, files)
        except AnalysisException as error:
            if error.getCondition() != "PATH_NOT_FOUND":
                raise
            return dict.fromkeys(COUNTED)
        return dict(zip(COUNTED, row, strict=True))

    def all(self, files: Sequence[str]) -> DataFrame:
        """Return the rows with all columns of bronze."""
        return self._read(files, self._bronze_schema())

    def late(self, batch: SilverBatch, files: Sequence[str]) -> DataFrame:
        """Return the late rows with all columns of bronze, and their event time."""
        rows = with_event_time(self.all(files), self.silver)
        is_late = self._is_late(batch.late_watermark)
        return rows.where(is_selected(self.silver) & is_late)

    def behind(self, batch: SilverBatch, files: Sequence[str]) -> DataFrame:
        """Return the rows behind the watermark, with their event time.

        Those in time among them may follow a session that was closed before they came.
        """
        rows = with_event_time(self.all(files), self.silver)
        is_behind = F.col(EVENT_TIME) <= F.lit(batch.late_watermark)
        return rows.where(is_selected(self.silver) & is_behind)

    def count_needed(self, batch: SilverBatch, files: Sequence[str]) -> Counter[int]:
        """Count the late rows by the watermark, in minutes, that had let them in."""
        past = F.unix_micros(F.lit(batch.late_watermark)) - F.unix_micros(
            self._late_from()
        )
        now = parse_duration(self.silver.watermark) // timedelta(microseconds=1)
        # A window that ends on the watermark is closed: one minute more keeps it open.
        minutes = F.floor((past + now) / _MINUTE) + 1
        found = self.late(batch, files).groupBy(minutes.alias("minutes")).count()
        return Counter({row["minutes"]: row["count"] for row in found.collect()})

    def _count(self, batch: SilverBatch, files: Sequence[str]) -> tuple[int, ...]:
        late_watermark = batch.late_watermark
        rows = self._read(files, self._needed(self._bronze_schema()))
        counted, ahead = is_selected(self.silver), is_ahead(rows, self.silver)
        return tuple(
            with_event_time(rows, self.silver)
            .agg(
                F.count("*"),
                F.count_if(counted & self._is_late(late_watermark)),
                F.count_if(counted & F.isnull(EVENT_TIME) & ~ahead),
                F.count_if(counted & ahead),
            )
            .collect()[0]
        )

    def _bronze_schema(self) -> StructType:
        return self.spark.read.format("delta").load(self.bronze_location).schema

    def _read(self, files: Sequence[str], schema: StructType) -> DataFrame:
        stored = stored_columns(self.bronze_location, schema)
        reader = self.spark.read.schema(stored).option("basePath", self.bronze_location)
        rows = reader.parquet(*map(_escape, files))
        renamed = [
            F.col(f"`{there.name}`").cast(each.dataType).alias(each.name)
            for there, each in zip(stored, schema, strict=True)
        ]
        return rows.select(*renamed)

    def _needed(self, bronze: StructType) -> StructType:
        """Return the columns that say what becomes of a row."""
        if self.silver.where is not None:
            return bronze  # of which Spark reads what the condition names
        names = {self.silver.event_time.column, PROCESSING_TIME}
        return StructType([each for each in bronze if each.name in names])

    def _is_late(self, late_watermark: datetime) -> Column:
        """Return whether a row is missing in its earliest window, which had ended."""
        ended = self._late_from() <= F.lit(late_watermark)
        return F.coalesce(ended, F.expr("false"))

    def _late_from(self) -> Column:
        return late_from(F.col(EVENT_TIME), self.silver)


def _escape(path: str) -> str:
    # Spark takes every path for a glob.
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)
