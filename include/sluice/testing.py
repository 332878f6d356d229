"""A pytest plugin: Auto Loader code under test on a real local Spark with Delta.

Installing the package is enough: pytest loads this module by its entry point. Nothing
of Spark is imported before a test asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class LandingFolder:
    """A folder where files land; ``path`` is what a stream loads."""

    path: str

    def land(
        self, name: str, content: str | bytes | Iterable[Mapping[str, object]]
    ) -> str:
        """Land one file and return its path; records become one JSON object a line.

        The file appears whole or not at all, as a well-behaved producer lands it.
        ``name`` may have folders. Landing a name again replaces the file.
        """
        target = Path(self.path, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.draft")
        draft.write_bytes(_as_bytes(content))
        draft.replace(target)
        return str(target)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Return one Spark session for all tests, with Delta and ``cloudFiles``.

    As on Databricks a table is a Delta table unless its format is named. Tables live in
    a temporary folder. Override this fixture to add settings. The first session of an
    environment fetches two Delta jars.
    """
    # Imported late, for pytest loads this plugin in runs that need no Spark.
    from sluice.spark.session import spark_session  # noqa: PLC0415
    from sluice.spark.setup.prepare import (  # noqa: PLC0415
        prepare_jars,
        prepare_session_classes,
    )

    prepare_jars()
    prepare_session_classes()
    session = spark_session(
        "tests",
        **{
            "spark.master": "local[2]",
            "spark.sql.sources.default": "delta",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        },
    )
    yield session
    session.stop()


@pytest.fixture
def landing(tmp_path: Path) -> LandingFolder:
    """Return an empty landing folder of this test alone."""
    folder = tmp_path / "landing"
    folder.mkdir()
    return LandingFolder(str(folder))


def _as_bytes(content: str | bytes | Iterable[Mapping[str, object]]) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    return "".join(f"{json.dumps(record)}\n" for record in content).encode()
