"""What all files in jobs/ share: arguments in, a line of facts and an exit code out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import NoReturn

from sluice.control.jvm_loss import jvm_loss_translated
from sluice.control.signals import listening
from sluice.control.submitter import obey_submitter
from sluice.errors import ExitCode, SluiceError
from sluice.model import StepSummary
from sluice.storage_errors import storage_errors_translated
from sluice.visible import log_visibly, visible_lines

Step = Callable[[argparse.Namespace], ExitCode]


class _Parser(argparse.ArgumentParser):
    """A parser whose exit code for a wrong call is that of every job and command."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(ExitCode.USAGE, f"ERROR {self.prog}: {message}\n")


def job_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the arguments that all jobs take."""
    parser = _Parser(description=description)
    parser.add_argument("--pipeline", required=True, help="name, or path of its YAML")
    parser.add_argument("--run-id", required=True, help="who asks; kept with each row")
    return parser


def run_job(parser: argparse.ArgumentParser, step: Step) -> int:
    """Parse the arguments, run ``step`` and return the exit code of the process.

    SIGTERM and SIGINT: see :mod:`sluice.control.signals`. The end of the process that
    submitted the job counts as SIGTERM.
    """
    log_visibly("%(levelname)s %(name)s: %(message)s")
    obey_submitter()
    try:
        with listening(), storage_errors_translated(), jvm_loss_translated():
            return step(parser.parse_args())
    except SluiceError as error:
        sys.stderr.write(f"ERROR {visible_lines(str(error))}\n")
        return error.exit_code


def report(*summaries: StepSummary) -> None:
    """Print what the steps did, one JSON line each, for logs and for programs."""
    for summary in summaries:
        facts = {"step": summary.step, "run_id": summary.run_id, **summary.counts}
        more = {"notes": summary.notes, "stopped": summary.stopped}
        sys.stdout.write(json.dumps(facts | more) + "\n")
