"""``sluice checkpoint``: mend a checkpoint that no longer fits its table."""

from __future__ import annotations

import typer

from sluice.cli.output import JsonOption, PipelineArgument
from sluice.cli.repair import DryRunOption, SkipOption, YesOption, finish
from sluice.config import load_pipeline
from sluice.repair.run import plan_checkpoint_repair

checkpoint = typer.Typer(
    name="checkpoint",
    help="Mend the checkpoints of a pipeline.",
    no_args_is_help=True,
)


@checkpoint.callback()
def _checkpoint() -> None:
    """Mend the checkpoints of a pipeline."""


@checkpoint.command()
def repair(
    pipeline: PipelineArgument,
    *,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    skip: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make new checkpoints that begin after the files that the tables hold.

    For a checkpoint that is lost, damaged or older than its table, and for a table that
    was set back. What is replaced is moved aside. With nothing wrong it does nothing.
    """
    config = load_pipeline(pipeline)
    plan = plan_checkpoint_repair(config, missing="skip" if skip else None)
    finish(config, plan, dry_run=dry_run, yes=yes, as_json=as_json)
