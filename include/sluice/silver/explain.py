"""Say which aggregate made a query of silver fail, and a file with a row that did it.

Spark's error has the arithmetic alone. The rows of the micro-batch that was cut off are
aggregated again, one aggregate at a time, and then by halves of their files: on failure
alone, so that a good micro-batch pays nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint import read_checkpoint
from sluice.columns import SOURCE_FILE
from sluice.errors import Condition, FatalError, RetryableError, SluiceError
from sluice.silver.batch_rows import BatchRows
from sluice.silver.batches import list_files, planned_batch
from sluice.silver.transform import aggregate_windows

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig, SilverConfig


_LOG = logging.getLogger(__name__)


def explained(
    spark: SparkSession,
    config: PipelineConfig,
    silver: SilverConfig,
    error: SluiceError,
) -> SluiceError:
    """Return ``error``; where an aggregate is its reason, with its name and a file."""
    outcome = (
        "nothing of the micro-batch was written, and bronze has the rows",
        f"then run 'sluice checkpoint repair {config.called}', which has the table "
        "computed again",
    )
    return _explained(lambda: _cut_off(spark, config, silver), silver, error, outcome)


def explained_whole(
    source: DataFrame, silver: SilverConfig, error: SluiceError
) -> SluiceError:
    """Do the same for a table that is computed whole, from all rows of ``source``."""
    outcome = ("the table is as it was, and its source has the rows", "and run again")
    return _explained(lambda: source, silver, error, outcome)


def _explained(
    read: Callable[[], DataFrame | None],
    silver: SilverConfig,
    error: SluiceError,
    outcome: tuple[str, str],
) -> SluiceError:
    is_retried = isinstance(error, RetryableError)
    if error.condition is not Condition.QUERY_FAILED or is_retried:
        return error
    try:
        rows = read()
        if rows is None or _failure(rows, _with(silver, "n", "count(*)")):
            return error  # it is no aggregate, or the rows are gone
        for name, sql in silver.aggregates.items():
            one = _with(silver, name, sql)
            reason = _failure(rows, one)
            if reason is not None:
                return _aggregate_error(one, reason, _find_file(rows, one), outcome)
    except (PySparkException, Py4JJavaError, SluiceError) as other:
        _LOG.warning("silver %s: the reason was not found: %s", silver.name, other)
    return error


def _with(silver: SilverConfig, name: str, sql: str) -> SilverConfig:
    return silver.model_copy(update={"aggregates": {name: sql}})


def _cut_off(
    spark: SparkSession, config: PipelineConfig, silver: SilverConfig
) -> DataFrame | None:
    """Return the rows of the micro-batch that is planned and not committed."""
    facts = read_checkpoint(config.silver_checkpoint_location(silver))
    batch = planned_batch(facts) if facts else None
    if batch is None:
        return None
    files = list_files(config.bronze_location, [batch])[batch.batch_id]
    read = BatchRows(spark, config.bronze_location, silver)
    return read.all(files) if files else None


def _failure(rows: DataFrame, silver: SilverConfig) -> str | None:
    """Return why the windows of ``rows`` cannot be computed, None where they can."""
    windows = aggregate_windows(rows, silver)
    try:
        windows.write.format("noop").mode("overwrite").save()
    except PySparkException as error:
        return str(error).strip().split("\n", maxsplit=1)[0]
    except Py4JJavaError as error:
        return str(error.java_exception).split("\n", maxsplit=1)[0]
    return None


def _find_file(rows: DataFrame, silver: SilverConfig) -> str | None:
    """Return a file whose rows alone fail, None where it takes several together.

    So it is too where rows are windows, which are of no file.
    """
    if SOURCE_FILE not in rows.columns:
        return None
    paths = [row[0] for row in rows.select(SOURCE_FILE).distinct().collect()]
    while len(paths) > 1:
        half, rest = paths[: len(paths) // 2], paths[len(paths) // 2 :]
        paths = half if _failure(_of(rows, half), silver) else rest
    return paths[0] if _failure(_of(rows, paths), silver) else None


def _of(rows: DataFrame, paths: list[str]) -> DataFrame:
    return rows.where(F.col(SOURCE_FILE).isin(paths))


def _aggregate_error(
    silver: SilverConfig, reason: str, path: str | None, outcome: tuple[str, str]
) -> FatalError:
    """Return the error; ``outcome`` is what was kept, and what is done at the end."""
    kept, then = outcome
    ((name, sql),) = silver.aggregates.items()
    where = f" of a row of file {path!r}" if path else " of its rows together"
    return FatalError(
        Condition.QUERY_FAILED,
        f"silver {silver.name!r}: aggregate {name!r}, {sql!r}, cannot be computed"
        f"{where}: {reason}; {kept}: write it with try_divide, try_add, try_cast or "
        f"the like, or leave such rows out by 'where', {then}",
        {"silver": silver.name, "aggregate": name, "path": path},
    )
