"""``sluice run`` and ``sluice plan``: a pipeline without Airflow."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from sluice.cli.output import (
    JsonOption,
    PipelineArgument,
    print_json,
    print_line,
    print_rows,
)
from sluice.config import load_pipeline
from sluice.control.signals import listening
from sluice.errors import Condition, UsageError
from sluice.preflight.plan import plan_run
from sluice.run import STEPS, RunResult, run_pipeline

_ALL_STEPS = ",".join(STEPS)
StepsOption = Annotated[str, typer.Option(help="Which steps, in this order.")]
TriggerOption = Annotated[
    str, typer.Option(help="available-now, once or processing-time=30s.")
]

DrainOption = Annotated[
    bool,
    typer.Option("--drain", help="Bring out open windows: their input is complete."),
]


def run(
    pipeline: PipelineArgument,
    steps: StepsOption = _ALL_STEPS,
    trigger: TriggerOption = "available-now",
    *,
    drain: DrainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a pipeline in this process, without Airflow.

    SIGTERM and Ctrl-C let the micro-batch finish, and the exit code is 0; sent again
    they end it at once (143, 130). What is left is for the next run.
    """
    asked = _parse_steps(steps)
    run_id = f"cli-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    config = load_pipeline(pipeline)
    with listening():
        result = run_pipeline(
            config, run_id=run_id, steps=asked, trigger=trigger, drain=drain
        )
    if as_json:
        print_json(_facts(result))
    elif not result.steps and result.audit is None:
        print_line(f"{config.name}: nothing new under {config.landing_location}")
    else:
        for step in result.steps:
            print_rows(step.step, [step.counts])
            for note in step.notes:
                print_line(note)
        print_line(_conclude(result))
    done = result.found.discovery if result.found else None
    if done and done.miss_rate and not as_json:
        print_line(done.miss_rate)
    if result.audit and result.audit.fails:
        raise typer.Exit(result.audit.exit_code)


def plan(pipeline: PipelineArgument, *, as_json: JsonOption = False) -> None:
    """Show what a run would read, and which new fields it would meet.

    Nothing is changed.
    """
    from sluice.preflight.fields import fields_ahead  # noqa: PLC0415 - loads pyspark

    config = load_pipeline(pipeline)
    planned = plan_run(config)
    ahead = fields_ahead(config, planned.waiting)
    if as_json:
        print_json(planned.counts | {"new_fields": ahead})
        return
    print_rows(f"next run of {config.name}", [planned.counts])
    if ahead.fields:
        title = f"new fields: {ahead.fate}"
        print_rows(title, [vars(field) for field in ahead.fields])
    if ahead.wider:
        title = "values that are too wide: each column gets the wider type"
        print_rows(title, [vars(field) for field in ahead.wider])
    if ahead.problem:
        print_line(f"a run would end: {ahead.problem}")
    if ahead.files and ahead.files < len(planned.waiting):
        print_line(f"new fields were sought in the first {ahead.files} files")


def _parse_steps(text: str) -> list[str]:
    asked = [step.strip() for step in text.split(",") if step.strip()]
    unknown = sorted(set(asked) - set(STEPS))
    if unknown or not asked:
        raise UsageError(
            Condition.USAGE,
            f"--steps {text!r}: unknown steps {unknown}; use some of {list(STEPS)}",
        )
    return asked


def _conclude(result: RunResult) -> str:
    if result.stopped:
        return "stopped before the end: the next run goes on from here"
    verdict = result.audit.verdict if result.audit else "not asked for"
    return f"audit verdict: {verdict}"


def _facts(result: RunResult) -> dict[str, object]:
    steps = [
        {"step": each.step, **each.counts, "notes": each.notes} for each in result.steps
    ]
    verdict = result.audit.verdict if result.audit else None
    found = asdict(result.found) if result.found else None
    stopped = result.stopped
    return {"found": found, "steps": steps, "verdict": verdict, "stopped": stopped}
