"""Write a micro-batch to two tables: its good rows to bronze, others to quarantine.

Each table takes a batch id once, as from Delta's own sink. Quarantine comes first: the
batch is done when bronze has it, and until then it is repeated, by the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom

from sluice.checkpoint import read_checkpoint
from sluice.columns import QUARANTINE_BATCH, QUARANTINE_QUERY
from sluice.config import Expectation, PipelineConfig
from sluice.delta.log import latest_transaction
from sluice.errors import Condition, FatalError
from sluice.ledger.damage import ledger_root
from sluice.ledger.judged import JudgedBy, forget_judged, judge_by, judged_by
from sluice.quality.copies import judge_together
from sluice.quality.judge import Rules, is_quarantined, rules_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def write_split(
    batch: DataFrame, batch_id: int, *, config: PipelineConfig, query_id: str
) -> None:
    """Write the rows of a micro-batch, unless bronze has them; each is read once."""
    root, name = ledger_root(config.schema_location), f"{query_id}-{batch_id}"
    # Spark plans a micro-batch when the one before is in the log of commits.
    forget_judged(root, query_id, below=batch_id)
    written = latest_transaction(config.bronze_location, query_id)
    if written is not None and written >= batch_id:
        return
    rows = batch.persist()
    try:
        kept = judged_by(root, name)
        rules = _rules(kept) if kept else config.bronze.expectations
        # All rows are parsed here, and a rule of `fail` ends it before it has begun.
        bad = _count_quarantined(rows, rules, config)
        first = _rules(judge_by(root, name, _judged_by(rules)))
        if first != rules:
            rules, bad = first, _count_quarantined(rows, first, config)
        _write(rows, rules, config, (query_id, batch_id), quarantines=bad > 0)
    finally:
        rows.unpersist()


def must_split(config: PipelineConfig) -> bool:
    """Return True if rows may have to go to quarantine, or are judged together.

    That is also so where no rule asks for it now, and a micro-batch was cut off that
    had begun by other rules.
    """
    has_quarantine = bool(rules_of(config.bronze.expectations, "quarantine"))
    if has_quarantine or config.bronze.on_duplicate is not None:
        return True
    checkpoint = read_checkpoint(config.bronze_checkpoint_location)
    batch = checkpoint.uncommitted if checkpoint else None
    if checkpoint is None or batch is None:
        return False
    name = f"{checkpoint.query_id}-{batch}"
    return judged_by(ledger_root(config.schema_location), name) is not None


def in_quarantine(
    judged: DataFrame, rules: Rules, query_id: str | None, batch_id: int | None
) -> DataFrame:
    """Return the rows that go to quarantine, as they are kept there."""
    return judged.where(is_quarantined(rules)).withColumns(
        {
            QUARANTINE_QUERY: F.lit(query_id).cast("string"),
            QUARANTINE_BATCH: F.lit(batch_id).cast("long"),
        }
    )


def in_bronze(judged: DataFrame, rules: Rules) -> DataFrame:
    """Return the rows that go to bronze."""
    return judged.where(~is_quarantined(rules))


def _write(
    rows: DataFrame,
    rules: Rules,
    config: PipelineConfig,
    transaction: tuple[str, int],
    *,
    quarantines: bool,
) -> None:
    judged = judge_together(rows, rules, config)
    if quarantines:
        bad = in_quarantine(judged, rules, *transaction)
        _append(bad, config.quarantine_location, config, transaction)
    good = in_bronze(judged, rules)
    _append(good, config.bronze_location, config, transaction)


def _append(
    rows: DataFrame, location: str, config: PipelineConfig, transaction: tuple[str, int]
) -> None:
    query_id, batch_id = transaction
    (
        rows.write.format("delta")
        .mode("append")
        .option("mergeSchema", "true")
        .option("txnAppId", query_id)
        .option("txnVersion", str(batch_id))
        .partitionBy(*config.bronze.partition_by)
        .save(location)
    )


def _count_quarantined(rows: DataFrame, rules: Rules, config: PipelineConfig) -> int:
    """Count the rows for quarantine, which ends the batch if one violates `fail`.

    Where all rules only warn, there is nothing to find out before it is written.
    """
    policies = {each.on_violation for each in rules.values()}
    if policies | {config.bronze.on_duplicate} <= {"warn", None}:
        return 0
    judged = judge_together(rows, rules, config)
    counted = judged.agg(F.count_if(is_quarantined(rules))).collect()
    return int(counted[0][0])


def _rules(kept: JudgedBy) -> dict[str, Expectation]:
    """Return kept rules; they were checked when they came from a pipeline file."""
    return {
        name: Expectation.model_validate({"expect": expect, "on_violation": policy})
        for name, (expect, policy) in kept.rules.items()
    }


def _judged_by(rules: Rules) -> JudgedBy:
    return JudgedBy(
        rules={name: (each.expect, each.on_violation) for name, each in rules.items()}
    )


def known_query_id(config: PipelineConfig) -> str:
    """Return the id under which the query commits; it has it before it starts.

    Raises:
        FatalError: it has none.
    """
    checkpoint = read_checkpoint(config.bronze_checkpoint_location)
    if checkpoint is None or checkpoint.query_id is None:
        raise FatalError(
            Condition.CHECKPOINT_LOST,
            f"checkpoint {config.bronze_checkpoint_location!r} has no query id, which "
            "the preflight gives it: it is gone since; run again",
        )
    return checkpoint.query_id
