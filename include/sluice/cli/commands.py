"""Every subcommand: a line each, its module loaded when it is called.

Together they import most of Sluice, which takes longer than a run with nothing new.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

# In the order of `sluice --help`.
_MODULES = {
    "init": "sluice.cli.init",
    "run": "sluice.cli.run",
    "plan": "sluice.cli.run",
    "files": "sluice.cli.files",
    "batches": "sluice.cli.batches",
    "schema": "sluice.cli.schema",
    "rules": "sluice.cli.rules",
    "audit": "sluice.cli.audit",
    "backfill": "sluice.cli.backfill",
    "replay": "sluice.cli.replay",
    "resources": "sluice.cli.resources",
    "sample": "sluice.cli.sample",
    "doctor": "sluice.cli.doctor",
    "watch": "sluice.cli.watch",
    "spark-pipelines": "sluice.cli.spark_pipelines",
    "checkpoint": "sluice.cli.checkpoint",
    "queries": "sluice.cli.queries",
}


class Commands(TyperGroup):
    """The subcommands of ``sluice``: those of ``_MODULES``, whatever is registered."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Their names are enough to complete one, and to suggest one for a wrong one.
        self.commands = {name: TyperCommand(name) for name in _MODULES}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command called so; None if there is none."""
        return _load(cmd_name) if cmd_name in _MODULES else None


def _load(name: str) -> Any:
    found = getattr(import_module(_MODULES[name]), name.replace("-", "_"))
    parent = typer.Typer()
    if isinstance(found, typer.Typer):
        parent.add_typer(found)
    else:
        parent.command(name)(found)
    return get_group(parent).commands[name]
