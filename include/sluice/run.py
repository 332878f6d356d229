"""The whole pipeline in one process: preflight, bronze, silver, audit, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sluice.cleanup.pipeline import clean_landing
from sluice.config import PipelineConfig
from sluice.errors import Condition, UsageError
from sluice.model import StepSummary
from sluice.preflight.run import Preflight, preflight
from sluice.spark.triggers import parse_trigger

if TYPE_CHECKING:
    from sluice.audit.report import AuditReport

STEPS = ("bronze", "silver", "audit")


@dataclass(frozen=True)
class RunResult:
    """What a run found and did; None where it did not look, or made no audit."""

    found: Preflight | None
    steps: tuple[StepSummary, ...]
    audit: AuditReport | None

    @property
    def stopped(self) -> bool:
        """Whether a step was asked to stop, and those after it not begun."""
        return any(step.stopped for step in self.steps)


def run_pipeline(  # noqa: PLR0913 - what a run can be asked for
    config: PipelineConfig,
    *,
    run_id: str,
    steps: Sequence[str] = STEPS,
    trigger: str = "available-now",
    options: Mapping[str, str] | None = None,
    drain: bool = False,
) -> RunResult:
    """Run ``steps`` of a pipeline; with nothing new it ends before Spark starts.

    An audit that is the only step asked for is made in any case. With ``drain`` silver
    brings out its open windows, also if nothing is new.

    Raises:
        UsageError: a trigger that never ends is asked for with more than one step.
        SluiceError: as each step does; a later step is not begun then, nor after one
            that was asked to stop.
    """
    ends = parse_trigger(trigger).ends_by_itself
    if drain and (not ends or "silver" not in steps):
        raise _drain_error(trigger, steps)
    if not ends and len(steps) > 1:
        raise _standing_error(trigger, steps)
    if list(steps) == ["audit"]:
        return RunResult(None, (), _audit(config, run_id))
    found = preflight(config, run_id=run_id)
    if not found.has_work and ends and not drain:
        # What was read long ago may have become old enough.
        cleaned = clean_landing(config, run_id=run_id)
        return RunResult(found, (cleaned,) if cleaned else (), None)
    asked = _Asked(run_id, trigger, options or {}, drain)
    done = tuple(_run_spark_steps(config, found, steps, asked))
    result = RunResult(found, done, None)
    if result.stopped or "audit" not in steps:
        return result
    return replace(result, audit=_audit(config, run_id))


def _audit(config: PipelineConfig, run_id: str) -> AuditReport:
    # It takes time to import, which a run with nothing new need not pay.
    from sluice.audit.run import run_audit  # noqa: PLC0415

    return run_audit(config, run_id=run_id)


@dataclass(frozen=True)
class _Asked:
    """What all Spark steps of one run are asked for."""

    run_id: str
    trigger: str
    options: Mapping[str, str]
    drain: bool


def _run_spark_steps(
    config: PipelineConfig, found: Preflight, steps: Sequence[str], asked: _Asked
) -> Iterator[StepSummary]:
    """Yield what each step did; the last one is that which was asked to stop."""
    # pyspark takes half a second to import, which a run with nothing new need not pay.
    from sluice.bronze.run import run_bronze  # noqa: PLC0415
    from sluice.current.run import run_current_tables  # noqa: PLC0415
    from sluice.silver.run import run_silver_tables  # noqa: PLC0415

    if "bronze" in steps:
        bronze = run_bronze(
            config,
            run_id=asked.run_id,
            trigger=asked.trigger,
            options=asked.options,
            found=found,
        )
        yield bronze
        if bronze.stopped:
            return
    if "silver" in steps:
        for summary in run_silver_tables(
            config, run_id=asked.run_id, trigger=asked.trigger, drain=asked.drain
        ):
            yield summary
            if summary.stopped:
                return
        yield from run_current_tables(config, run_id=asked.run_id)


def _drain_error(trigger: str, steps: Sequence[str]) -> UsageError:
    return UsageError(
        Condition.USAGE,
        f"draining is what silver does at the end of a run: trigger {trigger!r} with "
        f"steps {list(steps)} does not come to that; use 'available-now' and 'silver'",
    )


def _standing_error(trigger: str, steps: Sequence[str]) -> UsageError:
    return UsageError(
        Condition.USAGE,
        f"trigger {trigger!r} runs until it is stopped, so of the steps "
        f"{list(steps)} only the first would ever run; name one by --steps, and run "
        "the others in processes of their own",
    )
