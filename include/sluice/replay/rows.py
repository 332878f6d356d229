"""The rows of bronze that a replay replaces, and the one commit that does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.bronze.replace import FILE, replace_by_file
from sluice.columns import PROCESSING_TIME, RESCUED_DATA, SOURCE_FILE
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.history.replays import transaction_id
from sluice.history.rows import RowCounts
from sluice.silver.transform import list_starts, with_event_time

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from sluice.config import PipelineConfig

# Beyond this many partitions the condition costs more than it saves.
_MAX_PARTITIONS = 100


@dataclass(frozen=True)
class Outgoing:
    """What one version of bronze has of the files: rows by path, where, and when.

    ``number`` is that of the next replay, as of that version.
    """

    version: int
    number: int
    rows: Counter[str]
    partitions: tuple[Mapping[str, Any], ...]
    starts: Mapping[str, frozenset[datetime]]


def read_outgoing(
    spark: SparkSession, config: PipelineConfig, paths: Sequence[str]
) -> Outgoing:
    """Look at the rows of ``paths`` in the newest version of bronze.

    Raises:
        FatalError: there is no bronze table.
    """
    location = config.bronze_location
    table = open_table(location)
    if table is None:
        raise FatalError(
            Condition.TABLE_UNREADABLE,
            f"replay: table {location!r} is gone, but its checkpoint has read the "
            f"files: restore it, or see 'sluice audit {config.called}'",
            {"table": location},
        )
    version, by = table.version(), table.metadata().partition_columns
    number = (table.transaction_version(transaction_id(config)) or 0) + 1
    rows = spark.read.format("delta").option("versionAsOf", version).load(location)
    times = {each.event_time.column for each in config.streamed}
    wanted = {SOURCE_FILE, PROCESSING_TIME, *by, *times}
    needed = rows.select(*(_column(each) for each in rows.columns if each in wanted))
    keys = F.broadcast(_paths(spark, paths, SOURCE_FILE))
    found = needed.join(keys, SOURCE_FILE, "left_semi").persist()
    try:
        rows_by_file = found.groupBy(SOURCE_FILE).count().collect()
        counts = Counter({row[SOURCE_FILE]: row["count"] for row in rows_by_file})
        # A table without partition columns is one partition, of which nothing is said.
        values = found.select(*map(_column, by)).distinct().collect() if by else []
        partitions = [row.asDict() for row in values] if by else [{}] if counts else []
        starts = window_starts(found, config)
        return Outgoing(version, number, counts, tuple(partitions), starts)
    finally:
        found.unpersist()


def count_by_file(rows: DataFrame) -> RowCounts:
    """Return how many of ``rows``, and of those with rescued data, each file has."""
    counts = rows.groupBy(SOURCE_FILE).agg(
        F.count("*").alias("rows"), F.count(RESCUED_DATA).alias("rescued")
    )
    found = counts.collect()
    return RowCounts(
        rows=Counter({row[SOURCE_FILE]: row["rows"] for row in found}),
        rescued=Counter({row[SOURCE_FILE]: row["rescued"] for row in found}),
    )


def window_starts(
    rows: DataFrame, config: PipelineConfig
) -> dict[str, frozenset[datetime]]:
    """Return by silver table the starts of the windows that ``rows`` fall into."""
    return {
        silver.name: list_starts(with_event_time(rows, silver), silver)
        if silver.event_time.column in rows.columns
        else frozenset()
        for silver in config.streamed
    }


def replace_rows(
    spark: SparkSession,
    config: PipelineConfig,
    rows: DataFrame,
    paths: Sequence[str],
    outgoing: Outgoing,
) -> None:
    """Take out the rows of ``paths`` and put in ``rows``, in one commit.

    Only the partitions that have such rows are read, so whatever is appended to others
    meanwhile is no conflict.
    """
    keys = _paths(spark, paths, FILE)
    replace_by_file(config.bronze_location, rows, keys, where=_in_partitions(outgoing))


def _in_partitions(outgoing: Outgoing) -> Column:
    if len(outgoing.partitions) > _MAX_PARTITIONS:
        return F.expr("true")
    return reduce(or_, map(_in_partition, outgoing.partitions), F.expr("false"))


def _in_partition(values: Mapping[str, Any]) -> Column:
    conditions = [
        F.col(f"t.`{name}`").eqNullSafe(F.lit(value)) for name, value in values.items()
    ]
    return reduce(and_, conditions, F.expr("true"))


def _paths(spark: SparkSession, paths: Sequence[str], name: str) -> DataFrame:
    return spark.createDataFrame([(path,) for path in paths], f"`{name}` string")


def _column(name: str) -> Column:
    return F.col(f"`{name}`")
