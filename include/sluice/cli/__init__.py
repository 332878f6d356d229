"""The ``sluice`` command: one function a subcommand, errors printed once."""

from __future__ import annotations

import logging
import sys

import typer

from sluice.cli.audit import audit
from sluice.cli.backfill import backfill
from sluice.cli.batches import batches
from sluice.cli.checkpoint import checkpoint
from sluice.cli.doctor import doctor
from sluice.cli.files import files
from sluice.cli.queries import queries
from sluice.cli.replay import replay
from sluice.cli.resources import resources
from sluice.cli.run import plan, run
from sluice.cli.sample import sample
from sluice.cli.watch import watch
from sluice.control.jvm_loss import jvm_loss_translated
from sluice.errors import ExitCode, SluiceError
from sluice.storage_errors import storage_errors_translated

_CLICK_USAGE = 2

app = typer.Typer(
    name="sluice",
    help="Files into Delta tables, each exactly once, with proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    run,
    plan,
    files,
    batches,
    audit,
    backfill,
    replay,
    resources,
    sample,
    doctor,
):
    app.command(command.__name__)(command)
app.command("watch")(watch)
for group in (checkpoint, queries):
    app.add_typer(group)


def main() -> None:
    """Run the command line; what Sluice refuses is one message and an exit code."""
    logging.basicConfig(format="%(levelname)s: %(message)s", stream=sys.stderr)
    try:
        with storage_errors_translated(), jvm_loss_translated():
            app()
    except SystemExit as end:
        # Click's own code for a wrong call; ours is the same for every command and job.
        sys.exit(ExitCode.USAGE if end.code == _CLICK_USAGE else end.code)
    except SluiceError as error:
        typer.echo(f"sluice: {error}", err=True)
        sys.exit(error.exit_code)
