"""Hold windows against the expectations of their table, wherever they come out.

The stream, a repair, a replay, a backfill and a drain all pass here before they write.
How many windows violate which rule is said by the commit that writes them: no crash
loses a count, and no repetition counts twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - its usual name

from sluice.checkpoint import read_checkpoint
from sluice.columns import VIOLATIONS
from sluice.config.silver import WINDOW_COLUMNS
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError
from sluice.history.windows import (
    COUNTED,
    archive_window_violations,
    names_violations,
)
from sluice.quality.judge import is_violated, rules_of, violated

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from sluice.config import PipelineConfig, SilverConfig

_TEXT = 300


@dataclass(frozen=True)
class JudgedWindows:
    """Windows with the rules that each violates, and how many violate each."""

    rows: DataFrame
    violations: Mapping[str, int] = field(default_factory=dict)

    def describe(self, said: Mapping[str, object]) -> str:
        """Return what the commit of the windows says of itself, as JSON."""
        counted = {COUNTED: dict(self.violations)} if self.violations else {}
        return json.dumps({**said, **counted})


def judge_windows(
    windows: DataFrame,
    silver: SilverConfig,
    location: str,
    *,
    new: Column | None = None,
) -> JudgedWindows:
    """Return what is to be written of ``windows``, which the caller keeps computed.

    With ``new`` only those of them are held against the rules. A table that has no
    column of violations yet gets it.

    Raises:
        FatalError: a window violates a rule of ``fail``; nothing is written.
    """
    rules = silver.expectations
    warned = {name: rules[name] for name in rules_of(rules, "warn")}
    if not rules and not names_violations(location):
        return JudgedWindows(windows)
    held = windows if new is None else windows.where(new)
    counts = _count(held, silver)
    _require_none_failed(held, silver, counts)
    if not warned and not names_violations(location):
        return JudgedWindows(windows, counts)
    _give_column(windows.sparkSession, location)
    return JudgedWindows(windows.withColumn(VIOLATIONS, violated(warned)), counts)


def archive_violations(
    config: PipelineConfig, silver: SilverConfig, *, run_id: str
) -> list[str]:
    """Keep what commits counted since the last time; return a note for each rule.

    Raises:
        RetryableError: others were faster all the time.
    """
    if not silver.expectations:
        return []
    facts = read_checkpoint(config.silver_checkpoint_location(silver))
    query_id = facts.query_id if facts else None
    found = archive_window_violations(
        config, config.silver_location(silver), query_id=query_id, run_id=run_id
    )
    return [
        f"rule {name!r}: {count} windows written to {silver.name!r} violate it"
        for name, count in sorted(found.items())
    ]


def _count(windows: DataFrame, silver: SilverConfig) -> dict[str, int]:
    """Return by rule how many windows violate it, without those that none does."""
    rules = silver.expectations
    if not rules:
        return {}
    found = windows.agg(*map(F.count_if, map(is_violated, rules.values()))).collect()[0]
    return {name: count for name, count in zip(rules, found, strict=True) if count}


def _require_none_failed(
    windows: DataFrame, silver: SilverConfig, counts: Mapping[str, int]
) -> None:
    failing = rules_of(silver.expectations, "fail")
    failed = {name: each for name, each in failing.items() if name in counts}
    if not failed:
        return
    text = F.to_json(F.struct(*(F.col(f"`{name}`") for name in _columns(silver))))
    texts = []
    for name, rule in failed.items():
        bad = windows.where(is_violated(rule))
        example = bad.agg(F.min(F.substring(text, 1, _TEXT))).collect()[0][0]
        texts.append(
            f"rule {name!r}, {rule.expect!r}: {counts[name]} windows violate it, as "
            f"{example}"
        )
    raise FatalError(
        Condition.EXPECTATION_VIOLATED,
        f"silver {silver.name!r}: {'. '.join(texts)}. None of the windows that came "
        "out with them was written, and bronze has their rows: mend the rule, or let "
        "it warn, and run again",
        {"silver": silver.name, "rules": sorted(failed)},
    )


def _columns(silver: SilverConfig) -> list[str]:
    return [*WINDOW_COLUMNS, *silver.group_by, *silver.aggregates]


def _give_column(spark: SparkSession, location: str) -> None:
    """Add the column to a table that is there without it."""
    if open_table(location) is None or names_violations(location):
        return
    escaped = location.replace("`", "``")
    try:
        spark.sql(f"ALTER TABLE delta.`{escaped}` ADD COLUMNS ({VIOLATIONS} STRING)")
    except (PySparkException, Py4JJavaError):
        # A backfill beside the stream may have been first.
        if not names_violations(location):
            raise
