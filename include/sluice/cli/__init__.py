"""The ``sluice`` command: one function a subcommand, errors printed once."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from sluice.cli.commands import Commands
from sluice.control.jvm_loss import jvm_loss_translated
from sluice.errors import Condition, ExitCode, FatalError, SluiceError
from sluice.storage_errors import storage_errors_translated
from sluice.versions import release
from sluice.visible import log_visibly, visible_lines

_CLICK_USAGE = 2
_LOG = logging.getLogger(__name__)
# PySpark logs the errors of queries there, as JSON and with their stacks.
_PYSPARK_LOGS = ("DataFrameQueryContextLogger", "SQLQueryContextLogger")

app = typer.Typer(
    name="sluice",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - called so by typer
    if asked:
        typer.echo(f"sluice {release()}")
        raise typer.Exit


@app.callback()
def ask_for_stacks(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print it."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print the stacks behind an error, too.")
    ] = False,
) -> None:
    """Files into Delta tables, each exactly once, with proof."""
    _LOG.setLevel(logging.DEBUG if verbose else logging.WARNING)
    # Read by log4j2.properties. Jobs are without it: their logs keep every stack.
    os.environ["SLUICE_STACKS"] = "full" if verbose else "none"
    if not verbose:
        for name in _PYSPARK_LOGS:
            logging.getLogger(name).disabled = True


def main() -> None:
    """Run the command line; what Sluice refuses is one message and an exit code."""
    log_visibly("%(levelname)s: %(message)s")
    try:
        with storage_errors_translated(), jvm_loss_translated():
            app()
    except SystemExit as end:
        # Click's own code for a wrong call; ours is the same for every command and job.
        sys.exit(ExitCode.USAGE if end.code == _CLICK_USAGE else end.code)
    except SluiceError as error:
        _LOG.debug("the stack of the error below", exc_info=error)
        typer.echo(f"sluice: {visible_lines(str(error))}{_hint(error)}", err=True)
        sys.exit(error.exit_code)


def _hint(error: SluiceError) -> str:
    """Return how to see the stack of a query that failed for a reason of Spark's."""
    failed = isinstance(error, FatalError) and error.condition == Condition.QUERY_FAILED
    is_printed = _LOG.isEnabledFor(logging.DEBUG)
    return "; `sluice --verbose` shows the stack" if failed and not is_printed else ""
