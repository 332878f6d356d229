"""How every command prints: a table for people, JSON for programs, errors once."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

PipelineArgument = Annotated[
    str,
    typer.Argument(
        metavar="PIPELINE",
        help="A name in include/pipelines, or the path of a YAML file.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of a table.")
]


def print_json(value: object) -> None:
    """Print ``value`` as JSON; times become ISO 8601 in UTC, dataclasses objects."""
    sys.stdout.write(json.dumps(value, default=_plain, indent=2) + "\n")


def print_rows(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print ``rows`` as a table whose columns are the keys of the first row."""
    if not rows:
        Console().print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left")
    for key in rows[0]:
        table.add_column(key)
    for row in rows:
        table.add_row(*[_cell(value) for value in row.values()])
    Console().print(table)


def print_line(text: str) -> None:
    """Print one line for a person."""
    Console(soft_wrap=True, highlight=False).print(text, markup=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return _iso(value) if isinstance(value, datetime) else str(value)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    message = f"{type(value).__name__} has no JSON form"
    raise TypeError(message)
