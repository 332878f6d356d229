"""``sluice spark-pipelines``: a project for Spark's declarative pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sluice.cli.output import print_line


def spark_pipelines(
    folder: Annotated[Path, typer.Argument(help="The project's folder.")],
) -> None:
    """Write a project's settings for `spark-pipelines`, and an example if it is new."""
    # It looks at pyspark, which no other command has to import to begin.
    from sluice.declarative import write_project  # noqa: PLC0415

    project = write_project(folder)
    print_line(f"export SPARK_CONF_DIR={project.settings}")
    print_line(f"spark-pipelines run --spec {project.specification}")
