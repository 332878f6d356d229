"""One Spark session for all tests that need one; the slowest tests come first."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sluice.spark.session import spark_session

_TESTS = Path(__file__).parent
_SLOWEST = (
    "e2e",
    "wheel",
    "recovery",
    "cluster",
    "s3",
    "spark",
    "model",
    "dags",
    "local",
)

# Thousands of tests are made and none is dropped: to look for what may go costs each
# worker seconds.
gc.disable()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Return the one session; starting a JVM for each test would take the day."""
    warehouse = str(tmp_path_factory.mktemp("warehouse"))
    settings = {"spark.master": "local[2]", "spark.sql.warehouse.dir": warehouse}
    session = spark_session("sluice-tests", **settings)
    yield session
    session.stop()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Begin with the slowest, in random order: at the end no worker waits for them."""
    yield
    items.sort(key=_place)


def pytest_collection_finish() -> None:
    """Look for what may go again, but not among the tests."""
    gc.freeze()
    gc.enable()


def _place(item: pytest.Item) -> int:
    folder = item.path.relative_to(_TESTS).parts[0]
    return _SLOWEST.index(folder) if folder in _SLOWEST else len(_SLOWEST)
