"""Write the windows of a micro-batch: merge them where they change until closed.

A micro-batch is one Delta commit with the transaction of the query, as the sink of
Delta writes it: one that is run again changes nothing, and a driver that was overtaken
does not put older numbers back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial, reduce
from operator import and_
from typing import TYPE_CHECKING

from delta.tables import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.config.silver import WINDOW_COLUMNS
from sluice.delta.log import latest_transaction
from sluice.silver.judged import JudgedWindows, judge_windows
from sluice.spark.commits import commit_over_conflicts
from sluice.spark.settings import applied

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sluice.config import SilverConfig

_WRITE = "spark.databricks.delta.write"
METADATA = "spark.databricks.delta.commitInfo.userMetadata"
"""The setting from which a commit takes what it says of itself."""
_SAID = {"step": "silver"}


@contextmanager
def cached(rows: DataFrame) -> Iterator[DataFrame]:
    """Let the block read ``rows`` several times and compute them once."""
    kept = rows.persist()
    try:
        yield kept
    finally:
        kept.unpersist()


def write_windows(
    location: str, silver: SilverConfig, query_id: str, *, merges: bool
) -> Callable[[DataFrame, int], None]:
    """Return what writes a micro-batch of windows to the table at ``location``.

    Where it ``merges``, a window that is there already gets the new numbers, and any
    other is added; else all are added.
    """

    def write(changed: DataFrame, batch_id: int) -> None:
        written = latest_transaction(location, query_id)
        # What is there already is not to be judged by rules that came since. Spark has
        # to compute it all the same, for its state of the micro-batch is not kept yet.
        if written is not None and written >= batch_id:
            changed.count()
            return
        transaction = {"txnAppId": query_id, "txnVersion": str(batch_id)}
        # Spark would compute them for each question and again for the write.
        with cached(changed) as rows:
            windows = judge_windows(rows, silver, location)
            create = DeltaTable.createIfNotExists(changed.sparkSession)
            create.location(location).addColumns(windows.rows.schema).execute()
            if not merges or rows.isEmpty():
                _append(windows, location, transaction)
            else:
                names = {f"{_WRITE}.{key}": each for key, each in transaction.items()}
                with applied(changed.sparkSession, names):
                    merge_until_won(windows, location, silver)

    return write


def merge_until_won(
    windows: JudgedWindows,
    location: str,
    silver: SilverConfig,
    *,
    only_after: datetime | None = None,
) -> None:
    """Merge, again where a repair, a replay or a backfill of windows came first.

    Raises:
        RetryableError: they came first all the time.
        FatalError: the table cannot be written.
    """
    merge = partial(merge_rows, windows.rows, location, silver, only_after)
    with applied(windows.rows.sparkSession, {METADATA: windows.describe(_SAID)}):
        commit_over_conflicts(location, merge)


def merge_rows(
    windows: DataFrame,
    location: str,
    silver: SilverConfig,
    only_after: datetime | None = None,
) -> None:
    """Give windows that the table has new numbers, and add the others.

    With ``only_after``, take out those that end later and are none of ``windows``.
    """
    keys = [*WINDOW_COLUMNS, *silver.group_by]
    same = [F.col(f"t.`{key}`").eqNullSafe(F.col(f"s.`{key}`")) for key in keys]
    merge = (
        DeltaTable.forPath(windows.sparkSession, location)
        .alias("t")
        .merge(windows.alias("s"), reduce(and_, same))
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll()
    )
    if only_after is not None:
        is_later = F.col(f"t.{WINDOW_COLUMNS[1]}") > F.lit(only_after)
        merge = merge.whenNotMatchedBySourceDelete(is_later)
    merge.execute()


def _append(
    windows: JudgedWindows, location: str, transaction: Mapping[str, str]
) -> None:
    """Add windows; with none of them, let the table know the micro-batch all the same.

    That changed no window then.
    """
    said = {"userMetadata": windows.describe(_SAID)}
    append = windows.rows.write.format("delta").mode("append")
    append.options(**transaction, **said).save(location)
