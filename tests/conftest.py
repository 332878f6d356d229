"""One Spark session for all tests that need one, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from sluice.session import spark_session


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """Return the one session; starting a JVM for each test would take the day."""
    session = spark_session("sluice-tests", **{"spark.master": "local[2]"})
    yield session
    session.stop()
