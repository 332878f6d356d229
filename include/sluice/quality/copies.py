"""Rows whose key is there more than once among those that are read together.

That is a micro-batch, or the files of a replay. No row says it of itself, so the rows
are looked at twice, and are to be kept meanwhile.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom

from sluice.config.expectation import ROWS_OF_KEY, UNIQUE_KEY
from sluice.errors import Condition, UsageError
from sluice.quality.judge import Rules, judge

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from sluice.config import PipelineConfig


def require_key(rows: DataFrame, config: PipelineConfig) -> None:
    """Refuse a key that rows of bronze do not have, or of which no two are equal.

    Raises:
        UsageError: a column is missing, or has no equality.
    """
    keys = config.bronze.unique_key if config.bronze.on_duplicate else []
    missing = [key for key in keys if key not in rows.columns]
    reason = None
    try:
        if keys and not missing:
            rows.groupBy(*map(_column, keys)).count().schema  # noqa: B018 - analyses it
    except AnalysisException as error:
        reason = str(error).split("\n", maxsplit=1)[0]
    if missing or reason:
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"pipeline {config.called!r}: bronze.unique_key {keys} is no key of rows: "
            f"{reason or f'bronze has no columns {missing}'}; bronze has "
            f"{sorted(rows.columns)}: correct it, or name columns that files will have "
            "in cloudFiles.schemaHints",
            {"unique_key": keys},
        )


def judge_together(rows: DataFrame, rules: Rules, config: PipelineConfig) -> DataFrame:
    """Judge rows by ``rules``, and by the key if the pipeline asks for that."""
    if config.bronze.on_duplicate is None:
        return judge(rows, rules)
    once = {UNIQUE_KEY: config.bronze.rules[UNIQUE_KEY]}
    return judge(count_keys(rows, config), {**rules, **once}).drop(ROWS_OF_KEY)


def count_keys(rows: DataFrame, config: PipelineConfig) -> DataFrame:
    """Add of how many rows each has the key; one that lacks a part is alone."""
    if config.bronze.on_duplicate is None:
        return rows
    keys = [_column(name) for name in config.bronze.unique_key]
    names = [f"_sluice_key_{index}" for index, _ in enumerate(keys)]
    named = [key.alias(name) for key, name in zip(keys, names, strict=True)]
    whole = reduce(and_, (F.col(name).isNotNull() for name in names))
    copied = (
        rows.select(*named)
        .where(whole)
        .groupBy(*names)
        .agg(F.count("*").alias(ROWS_OF_KEY))
        .where(F.col(ROWS_OF_KEY) > 1)
    )
    pairs = zip(keys, names, strict=True)
    same = reduce(and_, (key == F.col(name) for key, name in pairs))
    counted = F.coalesce(F.col(ROWS_OF_KEY), F.lit(1))
    found = rows.join(copied, same, "left").withColumn(ROWS_OF_KEY, counted)
    return found.drop(*names)


def _column(name: str) -> Column:
    return F.col(f"`{name}`")
