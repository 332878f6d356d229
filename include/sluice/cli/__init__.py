"""The ``sluice`` command: one function a subcommand, errors told once."""

from __future__ import annotations

import logging
import sys

import typer

from sluice.cli.audit import audit
from sluice.cli.backfill import backfill
from sluice.cli.batches import batches
from sluice.cli.doctor import doctor
from sluice.cli.files import files
from sluice.cli.run import plan, run
from sluice.cli.sample import sample
from sluice.errors import ExitCode, SluiceError

_CLICK_USAGE = 2

app = typer.Typer(
    name="sluice",
    help="Files into Delta tables, each exactly once, with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (run, plan, files, batches, audit, backfill, sample, doctor):
    app.command(command.__name__)(command)


def main() -> None:
    """Run the command line; what Sluice refuses is one message and an exit code."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        app()
    except SystemExit as end:
        # Click's own code for a wrong call; ours is the same for every command and job.
        sys.exit(ExitCode.USAGE if end.code == _CLICK_USAGE else end.code)
    except SluiceError as error:
        typer.echo(f"sluice: {error}", err=True)
        sys.exit(error.exit_code)
