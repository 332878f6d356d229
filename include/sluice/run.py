"""The whole pipeline in one process: preflight, bronze, silver, audit, in that order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.audit.run import run_audit
from sluice.config import PipelineConfig
from sluice.model import StepSummary
from sluice.preflight import Preflight, preflight

STEPS = ("bronze", "silver", "audit")


@dataclass(frozen=True)
class RunResult:
    """What a run found and did; ``verdict`` is None where no audit was asked for."""

    found: Preflight
    steps: tuple[StepSummary, ...]
    verdict: str | None


def run_pipeline(
    config: PipelineConfig,
    *,
    run_id: str,
    steps: Sequence[str] = STEPS,
    trigger: str = "available-now",
    options: Mapping[str, str] | None = None,
) -> RunResult:
    """Run ``steps`` of a pipeline; with nothing new no Spark is started.

    Raises:
        SluiceError: as each step does; a later step is not begun then.
    """
    found = preflight(config, run_id=run_id)
    done: list[StepSummary] = []
    if found.has_work:
        done = _run_spark_steps(config, run_id, steps, trigger, options or {})
    verdict = run_audit(config).verdict if "audit" in steps else None
    return RunResult(found, tuple(done), verdict)


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
