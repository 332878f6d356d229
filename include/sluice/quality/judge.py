"""Hold rows against the expectations of a pipeline, in the pass that writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F  # noqa: N812 - Spark's own custom

from sluice.columns import SOURCE_FILE, VIOLATIONS
from sluice.errors import Condition, FatalError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from sluice.config import Expectation, PipelineConfig

# So names are looked up by Spark's own `find_in_set`.
BETWEEN = ","


Rules = Mapping[str, "Expectation"]


def require_analysed(rows: DataFrame, config: PipelineConfig) -> None:
    """Refuse an expectation that is no condition over the columns of bronze.

    Raises:
        UsageError: Spark cannot analyse it, or it gives another value each time.
    """
    rules = config.bronze.expectations
    for name, reason in find_wrong(rows, rules):
        raise UsageError(
            Condition.CONFIG_INVALID,
            f"pipeline {config.called!r}: bronze.expectations.{name}: "
            f"{rules[name].expect!r} is no condition over the columns of bronze, "
            f"{sorted(rows.columns)}: {reason}",
            {"rule": name},
        )


def find_wrong(rows: DataFrame, rules: Rules) -> Iterator[tuple[str, str]]:
    """Yield each rule that is no condition over the columns of ``rows``, and why.

    Spark cannot analyse it, or it gives another value each time.
    """
    for name, expectation in rules.items():
        reason = _reason(rows, expectation)
        if reason:
            yield name, reason


def judge(rows: DataFrame, rules: Rules) -> DataFrame:
    """Add the column of the rules that a row violates, if there are any.

    A row that violates a rule of ``fail`` ends its task with an error of ours, so
    nothing of its micro-batch is written.
    """
    failing = rules_of(rules, "fail")
    others = {name: each for name, each in rules.items() if name not in failing}
    if failing:
        rows = rows.where(_or_error(failing))
    return rows.withColumn(VIOLATIONS, violated(others)) if others else rows


def is_quarantined(rules: Rules) -> Column:
    """Return whether a row violates a rule of ``quarantine``."""
    return violated(rules_of(rules, "quarantine")).isNotNull()


def rules_of(rules: Rules, on_violation: str) -> dict[str, Expectation]:
    """Return the rules after whose violation this is to happen."""
    return {n: each for n, each in rules.items() if each.on_violation == on_violation}


def violated(expectations: Rules) -> Column:
    """Return the names of the rules that a row violates, null where it does none."""
    names = [
        F.when(is_violated(each), F.lit(name)) for name, each in expectations.items()
    ]
    return F.nullif(F.concat_ws(BETWEEN, *names), F.lit(""))


def is_violated(expectation: Expectation) -> Column:
    """Return whether an expectation is not true: it is false, or null."""
    return ~F.coalesce(F.expr(expectation.expect), F.lit(col=False))


def _or_error(expectations: Rules) -> Column:
    """Return true for a good row, and for another an error, as tasks hand on ours."""
    kind, condition = FatalError.__name__, Condition.EXPECTATION_VIOLATED
    kept = F.lit(col=True)
    for name, expectation in expectations.items():
        text = f"sluice.errors.{kind}: [{condition}] rule {name!r}: a row violates it"
        error = F.raise_error(F.concat(F.lit(f"{text}, of "), F.col(SOURCE_FILE)))
        kept = F.when(is_violated(expectation), error).otherwise(kept)
    return kept


def _reason(rows: DataFrame, expectation: Expectation) -> str | None:
    try:
        kept = rows.where(F.expr(expectation.expect))
        plan = kept._jdf.queryExecution().analyzed()  # noqa: SLF001 - no other way
    except (AnalysisException, ParseException) as error:
        return str(error).split("\n", maxsplit=1)[0]
    return None if plan.deterministic() else "it gives another value each time"
