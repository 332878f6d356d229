"""What becomes of late rows beside their count: kept in a table, or taken in.

Both are done before the micro-batch that dropped them is archived, and again if that is
cut off: the table takes a batch once, and a window that is computed twice is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.history.replays import LATE_ROWS, TouchedWindows, keep_touched
from sluice.options.configured import source_options
from sluice.schema.properties import tables_that_take
from sluice.silver.transform import EVENT_TIME, first_end, list_starts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sluice.config import PipelineConfig, SilverConfig
    from sluice.silver.batches import SilverBatch


@dataclass(frozen=True, kw_only=True)
class LateRows:
    """The late ``rows`` of one micro-batch of a silver table, with an event time."""

    config: PipelineConfig
    silver: SilverConfig
    query_id: str
    run_id: str
    batch: SilverBatch
    rows: DataFrame

    def treat(self) -> None:
        """Do what ``late_data`` says, beside the count."""
        if self.silver.late_data == "quarantine":
            self._put_aside()
        elif self.silver.late_data == "repair":
            self._touch()

    def _put_aside(self) -> None:
        """Append the rows to the side table, with the first window they missed."""
        columns = [each for each in self.rows.columns if each != EVENT_TIME]
        end = first_end(F.col(EVENT_TIME), self.silver)
        start = end - F.lit(self.silver.window.grid.duration)
        rows = self.rows.select(
            *(F.col(f"`{each}`") for each in columns),
            start.alias("_window_start"),
            end.alias("_window_end"),
            F.lit(self.batch.late_watermark).alias("_watermark"),
            F.lit(self.query_id).alias("_query_id"),
            F.lit(self.batch.batch_id).cast("bigint").alias("_batch_id"),
        )
        location = self.config.late_location(self.silver)
        writer = (
            rows.write.format("delta")
            .mode("append")
            .option("mergeSchema", "true")
            .option("txnAppId", f"sluice-late-{self.query_id}")
            .option("txnVersion", self.batch.batch_id)
        )
        widens, spark = source_options(self.config).widens, rows.sparkSession
        with tables_that_take(rows.schema, location, spark, widens=widens):
            writer.save(location)

    def _touch(self) -> None:
        """Have the closed windows that the rows missed computed from bronze."""
        grid = self.silver.window.grid
        missed = grid.cover(list_starts(self.rows, self.silver))
        # A session is closed when it is: rows that came in time may have gone on.
        if not self.silver.window.is_session:
            missed, _ = grid.split_closed(missed, self.batch.late_watermark)
        touched = TouchedWindows(
            replay_id=f"late-{self.query_id}-{self.batch.batch_id}",
            run_id=self.run_id,
            at=datetime.now(UTC),
            after_version=self.batch.end_version - 1,
            spans=tuple(missed),
            reason=LATE_ROWS,
        )
        keep_touched(self.config, self.silver.name, touched)
