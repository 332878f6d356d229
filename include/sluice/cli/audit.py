"""``sluice audit``: do checkpoint, ledger, landing folder and tables agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.audit.render import table_rows
from sluice.audit.report import AuditReport
from sluice.audit.run import PAGE, audit_checkpoint, run_audit
from sluice.cli.output import (
    JsonOption,
    print_json,
    print_line,
    print_rows,
)
from sluice.config import load_pipeline
from sluice.errors import Condition, UsageError
from sluice.paths import join, normalize


def audit(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE|CHECKPOINT",
            help="A pipeline's name or YAML file, or the folder of a checkpoint.",
        ),
    ],
    *,
    table: Annotated[
        str | None, typer.Option(help="The table that a bare checkpoint writes to.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="Count also landed files that are as at an earlier audit."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the four sides of a pipeline against each other; exit 65 if one differs."""
    report, page = _audit(subject, table, full=full)
    if as_json:
        print_json(report.to_json())
    else:
        print_rows(f"Audit of {report.pipeline}", table_rows(report))
        print_line(f"verdict: {report.verdict}{page}")
    if report.fails:
        raise typer.Exit(report.exit_code)


def _audit(subject: str, table: str | None, *, full: bool) -> tuple[AuditReport, str]:
    """Return the report, and where its page is if it has one."""
    if "://" in subject or Path(subject).is_dir():
        if full:
            message = "--full counts landed files, which a bare checkpoint has not"
            raise UsageError(Condition.USAGE, message)
        location = normalize(table) if table else None
        return audit_checkpoint(normalize(subject), location), ""
    config = load_pipeline(subject)
    page = join(config.reports_location, PAGE)
    return run_audit(config, full=full), f"; the page is {page}"
