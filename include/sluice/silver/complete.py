"""Tables that are computed whole: from all rows of their source, in one commit.

There is no stream, no state and no watermark, so no row is late. The commit carries the
version of the source: of two that compute the same, the table takes one.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sluice.history import record_step
from sluice.history.due import Due, find_due
from sluice.model import StepSummary
from sluice.rules.require import require_nothing_begun
from sluice.silver.judged import archive_violations, judge_windows
from sluice.silver.merge import cached
from sluice.silver.transform import aggregate_windows, check_columns
from sluice.spark.commits import commit_over_conflicts
from sluice.spark.session import spark_session, storage_conf

if TYPE_CHECKING:
    from sluice.config import PipelineConfig, SilverConfig

_LOG = logging.getLogger(__name__)


def run_complete(
    config: PipelineConfig, silver: SilverConfig, *, run_id: str
) -> StepSummary:
    """Compute the table from its source and replace it, if rows changed there.

    May be called at any time and by several processes.

    Raises:
        UsageError: the source lacks what the aggregates need.
        RetryableError: others wrote the table all the time.
        FatalError: the table is not ours, it or its source was set back, a rule of
            ``fail`` is violated, the query failed, or a repair or deletion was begun.
    """
    started = datetime.now(UTC)
    require_nothing_begun(config)
    counts = {"batches": 0, "windows_emitted": 0}

    def replace() -> None:
        due = find_due(config, silver)
        if due is not None:
            counts.update(batches=1, windows_emitted=_replace(config, silver, due))

    commit_over_conflicts(config.silver_location(silver), replace)
    notes = tuple(archive_violations(config, silver, run_id=run_id))
    summary = StepSummary(silver.name, run_id, counts, notes)
    record_step(config, summary, started=started, finished=datetime.now(UTC))
    return summary


def _replace(config: PipelineConfig, silver: SilverConfig, due: Due) -> int:
    """Replace the table by what its source gives; return how many windows that are."""
    _LOG.info("silver %s: computing version %s whole", silver.name, due.up_to)
    spark = spark_session(
        f"{config.name}_{silver.name}", **storage_conf(config.locations)
    )
    reader = spark.read.format("delta").option("versionAsOf", due.up_to)
    source = reader.load(config.source_location(silver))
    check_columns(source, silver)
    location = config.silver_location(silver)
    with cached(aggregate_windows(source, silver)) as found:
        windows = judge_windows(found, silver, location)
        (
            windows.rows.write.format("delta")
            .mode("overwrite")
            .option("overwriteSchema", "true")
            .option("txnAppId", due.app_id)
            .option("txnVersion", str(due.up_to))
            .option("userMetadata", windows.describe(due.said))
            .save(location)
        )
        return found.count()
