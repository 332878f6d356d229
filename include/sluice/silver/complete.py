"""Tables that are computed whole: from all rows of their source, in one commit.

There is no stream, no state and no watermark, so no row is late. The commit carries the
version of the source: of two that compute the same, the table takes one.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.control import signals
from sluice.errors import SluiceError
from sluice.history import record_step
from sluice.history.due import Due, find_due
from sluice.model import StepSummary
from sluice.rules.require import require_nothing_begun
from sluice.silver.explain import explained_whole
from sluice.silver.judged import archive_violations, judge_windows
from sluice.silver.merge import cached
from sluice.silver.transform import (
    EVENT_TIME,
    aggregate_windows,
    check_columns,
    is_ahead,
    is_selected,
    with_event_time,
)
from sluice.spark.commits import commit_over_conflicts
from sluice.spark.failures import translated
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)
_LEFT_OUT = ("null_event_time_rows", "future_rows")
_COUNTED = ("batches", "windows_emitted", *_LEFT_OUT)


def run_complete(
    config: PipelineConfig, silver: SilverConfig, *, run_id: str
) -> StepSummary:
    """Compute the table from its source and replace it, if rows changed there.

    May be called at any time and by several processes. After a signal it is not begun.

    Raises:
        UsageError: the source lacks what the aggregates need.
        RetryableError: others wrote the table all the time.
        FatalError: the table is not ours, it or its source was set back, a rule of
            ``fail`` is violated, the query failed, or a repair or deletion was begun.
    """
    started = datetime.now(UTC)
    require_nothing_begun(config)
    counts = dict.fromkeys(_COUNTED, 0)

    def replace() -> None:
        due = find_due(config, silver)
        if due is not None:
            counts.update(_replace(config, silver, due), batches=1)

    if not signals.received():
        commit_over_conflicts(config.silver_location(silver), replace)
    notes = tuple(archive_violations(config, silver, run_id=run_id))
    stopped = signals.received() is not None
    summary = StepSummary(silver.name, run_id, counts, notes, stopped)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _replace(config: PipelineConfig, silver: SilverConfig, due: Due) -> dict[str, int]:
    """Replace the table by what its source gives; count windows, and rows in none."""
    _LOG.info("silver %s: computing version %s whole", silver.name, due.up_to)
    spark = spark_session(
        f"{config.name}_{silver.name}", **storage_conf(config.locations)
    )
    reader = spark.read.format("delta").option("versionAsOf", due.up_to)
    source = reader.load(config.source_location(silver))
    check_columns(source, silver)
    try:
        with translated(config.silver_location(silver)):
            return _write(source, config, silver, due)
    except SluiceError as error:
        raise explained_whole(source, silver, error) from error


def _write(
    source: DataFrame, config: PipelineConfig, silver: SilverConfig, due: Due
) -> dict[str, int]:
    location = config.silver_location(silver)
    with cached(aggregate_windows(source, silver)) as found:
        windows = judge_windows(found, silver, location)
        counts = {**_count_left_out(source, silver), "windows_emitted": found.count()}
        # It took long, and there is no lease that a deletion would wait for.
        require_nothing_begun(config)
        (
            windows.rows.write.format("delta")
            .mode("overwrite")
            .option("overwriteSchema", "true")
            .option("txnAppId", due.app_id)
            .option("txnVersion", str(due.up_to))
            .option("userMetadata", windows.describe(due.said))
            .save(location)
        )
    return counts


def _count_left_out(source: DataFrame, silver: SilverConfig) -> dict[str, int]:
    """Count the rows that are in no window, for they have no event time to go by."""
    selected, ahead = is_selected(silver), is_ahead(source, silver)
    without = selected & F.isnull(EVENT_TIME) & ~ahead
    timed = with_event_time(source, silver)
    found = timed.agg(F.count_if(without), F.count_if(selected & ahead)).collect()[0]
    return dict(zip(_LEFT_OUT, found, strict=True))
