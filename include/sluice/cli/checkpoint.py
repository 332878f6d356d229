"""``sluice checkpoint``: mend what no longer fits the tables, and ask before."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.checkpoint.pending import Missing
from sluice.cli.output import (
    JsonOption,
    PipelineArgument,
    asking,
    print_json,
    print_line,
)
from sluice.config import PipelineConfig, load_pipeline
from sluice.errors import Condition, UsageError
from sluice.repair.run import RepairPlan, carry_out, plan_repair
from sluice.repair.steps import list_steps

checkpoint = typer.Typer(
    name="checkpoint",
    help="Mend the checkpoints and the ledger of a pipeline.",
    no_args_is_help=True,
)
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done; change nothing.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
RereadOption = Annotated[
    bool, typer.Option("--reread", help="Read files again whose rows are gone.")
]
SkipOption = Annotated[
    bool, typer.Option("--skip", help="Leave out for good the rows that are gone.")
]


@checkpoint.callback()
def _checkpoint() -> None:
    """Mend the checkpoints and the ledger of a pipeline."""


@checkpoint.command()
def repair(  # noqa: PLR0913 - the options of a command
    pipeline: PipelineArgument,
    *,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    reread: RereadOption = False,
    skip: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make new checkpoints, and a new ledger if need be, that fit what the tables hold.

    For a checkpoint or a ledger that is lost, damaged, replaced or older than its
    table, and for a table that was set back. What is replaced is moved aside. With
    nothing wrong it does nothing.
    """
    config = load_pipeline(pipeline)
    plan = plan_repair(config, missing=_choice(reread=reread, skip=skip))
    steps = [name for name, _ in list_steps(config, plan.repair)] if plan.repair else []
    if not as_json:
        _print_plan(config, plan, steps)
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


def _choice(*, reread: bool, skip: bool) -> Missing | None:
    if reread and skip:
        message = "--reread and --skip: rows that are gone come again or not; give one"
        raise UsageError(Condition.USAGE, message)
    if reread:
        return "reread"
    return "skip" if skip else None


def _print_plan(config: PipelineConfig, plan: RepairPlan, steps: list[str]) -> None:
    for fault in plan.faults:
        print_line(f"wrong: {fault}")
    if plan.repair is None:
        print_line(f"{config.name}: there is nothing to repair")
    for note in plan.notes:
        print_line(f"then: {note}")
    done = set(plan.repair.done) if plan.repair else set()
    for step in steps:
        print_line(f"step: {step}{' (done before)' if step in done else ''}")
