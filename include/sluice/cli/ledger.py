"""``sluice ledger``: keep and mend the ledger of a pipeline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sluice.checkpoint.pending import Missing
from sluice.cli.output import JsonOption, PipelineArgument, print_json, print_rows
from sluice.cli.repair import DryRunOption, SkipOption, YesOption, finish
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError
from sluice.repair.run import plan_ledger_rebuild
from sluice.source.compact import compact_ledger
from sluice.source.ledger import Ledger

ledger = typer.Typer(
    name="ledger", help="Keep and mend the ledger of a pipeline.", no_args_is_help=True
)
RereadOption = Annotated[
    bool, typer.Option("--reread", help="Read files again whose rows are gone.")
]


@ledger.callback()
def _ledger() -> None:
    """Keep and mend the ledger of a pipeline."""


@ledger.command()
def compact(pipeline: PipelineArgument, *, as_json: JsonOption = False) -> None:
    """Make few data files of the ledger's many; runs do it when there are too many.

    May be called at any time, beside runs too. No file's number changes.
    """
    config = load_pipeline(pipeline)
    found = Ledger.open(config.schema_location)
    if found is None:
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"pipeline {config.name!r} has no ledger in {config.schema_location!r} "
            f"yet; run it first: 'sluice run {pipeline}'",
            {"path": config.schema_location},
        )
    done = compact_ledger(found.root, above=1)
    rows = [{"table": name, **asdict(each)} for name, each in done.items()]
    if as_json:
        print_json(rows)
    else:
        print_rows(f"Tables of {pipeline}'s ledger that were compacted", rows)


@ledger.command()
def rebuild(  # noqa: PLR0913 - the options of a command
    pipeline: PipelineArgument,
    *,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    reread: RereadOption = False,
    skip: SkipOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a new ledger that begins with the files that the table holds.

    For a ledger that is lost, damaged, replaced or older than the table. Files in
    quarantine are tried again. The checkpoint is made anew to go with it.
    """
    config = load_pipeline(pipeline)
    plan = plan_ledger_rebuild(config, missing=_choice(reread=reread, skip=skip))
    finish(config, plan, dry_run=dry_run, yes=yes, as_json=as_json)


def _choice(*, reread: bool, skip: bool) -> Missing | None:
    if reread and skip:
        message = "--reread and --skip: rows that are gone come again or not; give one"
        raise UsageError(Condition.USAGE, message)
    if reread:
        return "reread"
    return "skip" if skip else None
