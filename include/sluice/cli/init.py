"""``sluice init``: a pipeline file for a folder in which files land."""

from __future__ import annotations

from typing import Annotated

import typer

from sluice.cli.output import print_line


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="The folder or s3:// prefix of files.")
    ],
) -> None:
    """Write a pipeline file for a folder, by what has landed there."""
    from sluice.draft.write import write_draft  # noqa: PLC0415 - loads pyspark

    file = write_draft(name, path)
    print_line(f"wrote {file}; look at it, then: sluice plan {name}")
