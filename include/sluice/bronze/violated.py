"""Say which files made a micro-batch fail by a rule, and how: they are read again.

The task that meets the first such row ends the micro-batch, and knows of no other. To
count them all beforehand would read every micro-batch twice, the good ones as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom

from sluice.bronze.again import discard_notes, open_notes, read_files
from sluice.checkpoint import LedgerOffset, read_checkpoint
from sluice.columns import ADDED_BY_BRONZE, SOURCE_FILE
from sluice.config import Expectation
from sluice.delta.log import open_table
from sluice.errors import Condition, FatalError, SluiceError
from sluice.ledger.ledger import Ledger
from sluice.preflight.run import read_up_to
from sluice.quality.copies import count_keys
from sluice.quality.judge import BETWEEN, Rules, rules_of, violated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sluice.config import PipelineConfig
    from sluice.model import LedgerFile

_FILES, _TEXT = 3, 300
_CONSTRAINT_ERRORS = (
    "DELTA_VIOLATE_CONSTRAINT",
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
)
_CHECK = "delta.constraints."
_Found = dict[str, list[tuple[str, int, str]]]


def explained(
    spark: SparkSession,
    config: PipelineConfig,
    error: SluiceError,
    files: Sequence[LedgerFile] | None = None,
) -> SluiceError:
    """Return ``error``; where a rule is its reason, with rows and files of each rule.

    A constraint of the table is such a rule too, which Delta names without a file.
    ``files`` are those that were read, by default those of the micro-batch that was cut
    off. Where they can no longer be read the error stays as it is.
    """
    rules = _rules_behind(config, error)
    if not rules:
        return error
    read = _cut_off(config) if files is None else files
    notes = open_notes(config, uuid4().hex)
    try:
        rows = read_files(spark, config, read, notes, started=None)
        found = _count(rows, count_keys(rows, config), rules)
    except (PySparkException, Py4JJavaError, SluiceError):
        return error
    finally:
        discard_notes(notes)
    return _violated_error(config, error, rules, found) if found else error


def _rules_behind(config: PipelineConfig, error: SluiceError) -> Rules:
    """Return the rules of which one made a micro-batch fail, none for other errors."""
    if error.condition is Condition.EXPECTATION_VIOLATED:
        return rules_of(config.bronze.rules, "fail")
    if any(name in error.message for name in _CONSTRAINT_ERRORS):
        return _constraints(config.bronze_location)
    return {}


def _constraints(table_location: str) -> dict[str, Expectation]:
    """Return what a table asks of every row: its CHECK and NOT NULL constraints."""
    table = open_table(table_location)
    if table is None:
        return {}
    checks = {
        name.removeprefix(_CHECK): sql
        for name, sql in table.metadata().configuration.items()
        if name.startswith(_CHECK)
    }
    not_null = {
        f"{each.name} NOT NULL": f"`{each.name}` IS NOT NULL"
        for each in table.schema().fields
        if not each.nullable
    }
    # Not validated: Delta takes more than a pipeline file may hold.
    return {
        name: Expectation.model_construct(expect=sql, on_violation="fail")
        for name, sql in (checks | not_null).items()
    }


def _cut_off(config: PipelineConfig) -> list[LedgerFile]:
    """Return the files of the micro-batch that is planned and not committed."""
    checkpoint = read_checkpoint(config.bronze_checkpoint_location)
    ledger = Ledger.open(config.schema_location)
    batch = checkpoint.uncommitted if checkpoint else None
    if checkpoint is None or ledger is None or batch is None:
        return []
    end = checkpoint.offsets[batch].end
    if not isinstance(end, LedgerOffset):
        return []
    left_out = ledger.left_out()
    files = ledger.files(after=read_up_to(checkpoint), up_to=end.seq)
    return [each for each in files if each.seq not in left_out]


def _count(rows: DataFrame, keyed: DataFrame, failing: Rules) -> _Found:
    """Return by rule the files that violate it, with how many rows and one of them."""
    landed = [each for each in rows.columns if each.lower() not in ADDED_BY_BRONZE]
    text = F.to_json(F.struct(*(F.col(f"`{each}`") for each in landed)))
    rules = F.split(violated(failing), BETWEEN)
    counted = (
        keyed.select(SOURCE_FILE, text.alias("text"), F.explode(rules).alias("rule"))
        .groupBy("rule", SOURCE_FILE)
        .agg(F.count("*").alias("rows"), F.min(F.substring("text", 1, _TEXT)))
        .orderBy("rule", SOURCE_FILE)
    )
    found: _Found = defaultdict(list)
    for rule, path, count, example in counted.collect():
        found[rule].append((path, count, example))
    return found


def _violated_error(
    config: PipelineConfig, error: SluiceError, rules: Rules, found: _Found
) -> FatalError:
    is_ours = error.condition is Condition.EXPECTATION_VIOLATED
    kind = "rule" if is_ours else "constraint"
    remedy = (
        "mend the rule, or let it warn, and run again"
        if is_ours
        else "drop the constraint, or write a rule of 'on_violation: quarantine' for "
        "such rows (docs/quality.md), and run again"
    )
    texts = []
    for rule, files in found.items():
        shown = "; ".join(
            f"{path!r} ({rows} rows, as {example})"
            for path, rows, example in files[:_FILES]
        )
        more = " …" if files[_FILES:] else ""
        rows = sum(count for _, count, _ in files)
        texts.append(
            f"{kind} {rule!r}, {rules[rule].expect!r}: {rows} rows of {len(files)} "
            f"files violate it: {shown}{more}"
        )
    return FatalError(
        error.condition,
        f"pipeline {config.called!r}: {'. '.join(texts)}. Nothing was written; the "
        f"next run reads the same files: {remedy}",
        {
            "rules": sorted(found),
            "paths": sorted({f[0] for e in found.values() for f in e}),
        },
    )
