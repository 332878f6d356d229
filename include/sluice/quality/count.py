"""Count by file and rule how many of some rows violate it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom

from sluice.columns import SOURCE_FILE, VIOLATIONS
from sluice.quality.judge import BETWEEN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sluice.config import PipelineConfig


def count_violations(
    judged: DataFrame, config: PipelineConfig, paths: Iterable[str]
) -> dict[str, dict[str, int]]:
    """Return of each of ``paths`` how many of its rows violate each rule, 0 as well."""
    none = dict.fromkeys(config.bronze.rules, 0)
    counts = {path: dict(none) for path in paths}
    if VIOLATIONS not in judged.columns:
        return counts
    rules = F.explode(F.split(F.col(VIOLATIONS), BETWEEN)).alias("rule")
    found = judged.select(SOURCE_FILE, rules).groupBy(SOURCE_FILE, "rule").count()
    for path, rule, rows in found.collect():
        counts[path][rule] = rows
    return counts
