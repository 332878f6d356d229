"""One stream over a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from support.plain_stream import Stream


@pytest.fixture
def stream(spark: SparkSession, tmp_path: Path) -> Stream:
    """Return a stream over an empty landing folder."""
    return Stream(spark, tmp_path)
