"""``sluice doctor``: what this machine lacks, and the fix."""

from __future__ import annotations

import typer

from sluice.cli.output import JsonOption, print_json, print_line
from sluice.errors import ExitCode


def doctor(*, as_json: JsonOption = False) -> None:
    """List what this machine lacks to run Sluice, and the fix for each."""
    # It looks at pyspark, which no other command has to import to begin.
    from sluice.spark.setup.doctor import doctor_checks, render_checks  # noqa: PLC0415

    checks = doctor_checks()
    if as_json:
        print_json(checks)
    else:
        for line in render_checks(checks).splitlines():
            print_line(line)
    if not all(check.ok for check in checks):
        raise typer.Exit(ExitCode.USAGE)
