"""What the commands that repair share: their options, and asking before it is done."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.output import asking, print_json, print_line
from sluice.config import PipelineConfig
from sluice.repair.run import RepairPlan, carry_out
from sluice.repair.steps import list_steps

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
SkipOption = Annotated[
    bool, typer.Option("--skip", help="Leave out for good the rows that are gone.")
]


def finish(
    config: PipelineConfig, plan: RepairPlan, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Tell what a repair does, ask, and do it; the steps that were taken are told."""
    steps = [name for name, _ in list_steps(config, plan.repair)] if plan.repair else []
    if not as_json:
        _tell(config, plan, steps)
    taken: list[str] = []
    if not dry_run and (plan.repair or plan.instead_of):
        if plan.repair and not yes:
            with asking():
                typer.confirm("Do this now?", abort=True, err=True)
        taken = carry_out(config, plan)
    if as_json:
        facts = {"faults": plan.faults, "notes": plan.notes, "steps": steps}
        print_json(facts | {"taken": taken})
    elif taken:
        print_line(f"done; 'sluice run {config.called}' goes on")


def _tell(config: PipelineConfig, plan: RepairPlan, steps: list[str]) -> None:
    for fault in plan.faults:
        print_line(f"wrong: {fault}")
    if plan.repair is None:
        print_line(f"{config.name}: there is nothing to repair with this command")
    for note in plan.notes:
        print_line(f"then: {note}")
    done = set(plan.repair.done) if plan.repair else set()
    for step in steps:
        print_line(f"step: {step}{' (done before)' if step in done else ''}")
