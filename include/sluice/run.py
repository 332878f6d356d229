"""The whole pipeline in one process: preflight, bronze, silver, audit, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.audit.report import AuditReport
from sluice.audit.run import run_audit
from sluice.config import PipelineConfig
from sluice.errors import Condition, UsageError
from sluice.model import StepSummary
from sluice.preflight import Preflight, preflight
from sluice.triggers import parse_trigger

STEPS = ("bronze", "silver", "audit")


@dataclass(frozen=True)
class RunResult:
    """What a run found and did; None where it did not look, or made no audit."""

    found: Preflight | None
    steps: tuple[StepSummary, ...]
    audit: AuditReport | None


def run_pipeline(
    config: PipelineConfig,
    *,
    run_id: str,
    steps: Sequence[str] = STEPS,
    trigger: str = "available-now",
    options: Mapping[str, str] | None = None,
) -> RunResult:
    """Run ``steps`` of a pipeline; with nothing new it ends before Spark starts.

    An audit that is the only step asked for is made in any case.

    Raises:
        UsageError: a trigger that never ends is asked for with more than one step.
        SluiceError: as each step does; a later step is not begun then.
    """
    ends = parse_trigger(trigger).ends_by_itself
    if not ends and len(steps) > 1:
        raise _standing(trigger, steps)
    if list(steps) == ["audit"]:
        return RunResult(None, (), run_audit(config, run_id=run_id))
    found = preflight(config, run_id=run_id)
    if not found.has_work and ends:
        return RunResult(found, (), None)
    done = _run_spark_steps(config, run_id, steps, trigger, options or {})
    audit = run_audit(config, run_id=run_id) if "audit" in steps else None
    return RunResult(found, tuple(done), audit)


def _run_spark_steps(
    config: PipelineConfig,
    run_id: str,
    steps: Sequence[str],
    trigger: str,
    options: Mapping[str, str],
) -> list[StepSummary]:
    # pyspark takes half a second to import, which a run with nothing new need not pay.
    from sluice.bronze.run import run_bronze  # noqa: PLC0415
    from sluice.silver.run import run_silver  # noqa: PLC0415

    done = []
    if "bronze" in steps:
        done.append(run_bronze(config, run_id=run_id, trigger=trigger, options=options))
    if "silver" in steps:
        done.extend(
            run_silver(config, silver, run_id=run_id, trigger=trigger)
            for silver in config.silver
        )
    return done


def _standing(trigger: str, steps: Sequence[str]) -> UsageError:
    return UsageError(
        Condition.USAGE,
        f"trigger {trigger!r} runs until it is stopped, so of the steps "
        f"{list(steps)} only the first would ever run; name one by --steps, and run "
        "the others in processes of their own",
    )
