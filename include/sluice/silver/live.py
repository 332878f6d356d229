"""The windows that are open, in a table beside that of the final ones.

They are computed from the rows that may be in them, and replaced in one commit. They
are marked, and say up to which watermark all others were final then.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark import InheritableThread
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - its usual name
from pyspark.sql.types import StringType, TimestampType

from sluice.columns import CLOSED_UP_TO, PROCESSING_TIME, PROVISIONAL, VIOLATIONS
from sluice.history.derived import open_derived
from sluice.history.live import STEP, find_live_due
from sluice.history.windows import names_violations
from sluice.intervals import Interval
from sluice.quality.judge import rules_of, violated
from sluice.silver.backfill import closed_windows, interval_windows
from sluice.spark.commits import commit_over_conflicts
from sluice.times import parse_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import Column, DataFrame, SparkSession

    from sluice.config import PipelineConfig, SilverConfig
    from sluice.control.hold import Hold

# Texts of such a pattern sort as the times that they name.
_SORTED = re.compile(r"yyyy-MM-dd( |'T')HH:mm:ss(?:\.S+)?")
# No clock is further behind UTC, summer time included.
_MOST_BEHIND = timedelta(hours=14)
_APP_ID = f"sluice-{STEP}"
# Later than any event.
END = datetime(9000, 1, 1, tzinfo=UTC)


def refresh_live(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig, hold: Hold
) -> bool:
    """Replace the table of open windows, if it is not as it is to be; say if it was.

    Doing it again changes nothing.

    Raises:
        RetryableError: others wrote the table all the time, or the lease is lost.
        FatalError: it is damaged or cannot be written.
    """
    closed, location = closed_windows(config, silver), config.live_location(silver)
    due = find_live_due(config, silver, closed)
    if due is None:
        return False
    table = open_derived(location)
    written = table.transaction_version(_APP_ID) if table else None
    reader = spark.read.format("delta").option("versionAsOf", due.version)
    bronze = reader.load(config.bronze_location)
    windows = open_windows(bronze, silver, closed)
    writer = (
        _marked(windows, config, silver, closed)
        .write.format("delta")
        .mode("overwrite")
        .option("overwriteSchema", "true")
        .option("userMetadata", json.dumps(due.said))
        # Delta makes no commit of no windows over none, unless it has a transaction.
        .option("txnAppId", _APP_ID)
        .option("txnVersion", str(0 if written is None else written + 1))
    )
    hold.require_held()
    commit_over_conflicts(location, lambda: writer.save(location))
    return True


@contextmanager
def logs_read_ahead(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig
) -> Iterator[None]:
    """Have Spark read the logs that ``refresh_live`` needs while the block runs.

    That is most of what the first refresh of a session takes; a snapshot keeps what was
    read. Nothing is done with it: what fails here, the refresh meets itself.
    """
    if not silver.live:
        yield
        return
    locations = [config.bronze_location, config.live_location(silver)]
    thread = InheritableThread(target=_read_logs, args=(spark, locations), daemon=True)
    thread.start()
    yield
    # Not if the block failed: then there is no refresh, and maybe no Spark.
    thread.join()


def _read_logs(spark: SparkSession, locations: Sequence[str]) -> None:
    with suppress(PySparkException, Py4JError, OSError):
        jvm: Any = spark._jvm  # noqa: SLF001 - all else plans a scan of the table, too
        for location in locations:
            log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(
                spark._jsparkSession,  # noqa: SLF001
                location,
            )
            log.unsafeVolatileSnapshot().computedState()


def _marked(
    windows: DataFrame, config: PipelineConfig, silver: SilverConfig, closed: datetime
) -> DataFrame:
    """Add by which rules windows are bad, that they are open, and since when."""
    # Of rules that are gone, too: both tables are to have the same columns.
    warned = rules_of(silver.expectations, "warn")
    if warned or names_violations(config.silver_location(silver)):
        windows = windows.withColumn(VIOLATIONS, violated(warned))
    added = {PROVISIONAL: F.lit(col=True), CLOSED_UP_TO: F.lit(closed)}
    return windows.withColumns(added)


def open_windows(
    bronze: DataFrame, silver: SilverConfig, closed: datetime
) -> DataFrame:
    """Return the windows of ``bronze`` that end after ``closed``."""
    first = silver.window.grid.first_open(closed)
    rows = _rows_since(bronze, silver, first)
    return interval_windows(rows, silver, [Interval(first, END)], counted=False)


def _rows_since(bronze: DataFrame, silver: SilverConfig, first: datetime) -> DataFrame:
    """Leave out rows of before ``first`` by what Delta keeps bounds of for each file.

    A row is in no window that happened longer than ``max_ahead`` after it was read.
    """
    rows = bronze.where(_may_be_since(bronze, silver, first))
    if silver.max_ahead is None:
        return rows
    read, earliest = F.col(PROCESSING_TIME), first - parse_duration(silver.max_ahead)
    # Other writers may leave it empty.
    return rows.where(read.isNull() | (read >= F.lit(earliest)))


def _may_be_since(bronze: DataFrame, silver: SilverConfig, first: datetime) -> Column:
    """Return a condition that each event at or after ``first`` meets, on the column."""
    given = silver.event_time
    column = F.col(f"`{given.column}`")
    if isinstance(bronze.schema[given.column].dataType, TimestampType):
        return column >= F.lit(first)
    pattern = _SORTED.fullmatch(given.format[0])
    is_text = isinstance(bronze.schema[given.column].dataType, StringType)
    if not is_text or pattern is None or len(given.format) > 1:
        return F.lit(col=True)
    behind = timedelta() if given.time_zone == "UTC" else _MOST_BEHIND
    between = pattern[1].strip("'")
    text = f"{first.astimezone(UTC) - behind:%Y-%m-%d{between}%H:%M:%S}"
    # Years of more than four digits have a sign, which sorts before digits.
    return (column >= text) | (column < "0")
