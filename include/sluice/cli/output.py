"""How every command prints: a table for people, JSON for programs, errors once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from sluice.errors import Condition, UsageError
from sluice.visible import visible

_WIDTH = 120

PipelineArgument = Annotated[
    str,
    typer.Argument(
        metavar="PIPELINE",
        help="A name in include/pipelines, or the path of a YAML file.",
    ),
]
GLOB_HELP = "have this name, or this path where GLOB has a slash (docs/options.md)"
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of a table.")
]


def print_json(value: object) -> None:
    """Print ``value`` as JSON; times become ISO 8601 in UTC, dataclasses objects."""
    sys.stdout.write(json.dumps(value, default=_plain, indent=2) + "\n")


def print_rows(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print ``rows`` as a table whose columns are the keys of the first row.

    A column without any value is left out, and a long value is folded into several
    lines. Into a pipe or a file lines have ``_WIDTH`` characters at most; programs read
    whole values from ``--json``.
    """
    # They take time to import, which a command that prints no table need not pay.
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    if not rows:
        console.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    keys = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    for key in keys:
        numeric = all(isinstance(row[key], int | float | None) for row in rows)
        table.add_column(key, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[Text(_cell(row[key])) for key in keys])
    console.print(table)


def print_line(text: str) -> None:
    """Print one line for a person."""
    typer.echo(visible(text))


@contextmanager
def asking() -> Iterator[None]:
    """Print what to do where a question gets no answer, or a no.

    Raises:
        UsageError: so it is.
    """
    try:
        yield
    except typer.Abort:
        raise UsageError(
            Condition.USAGE,
            "not confirmed, so nothing was changed; answer on a terminal, or give "
            "--yes",
        ) from None


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    return visible(str(value))


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
