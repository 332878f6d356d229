"""A bare JVM of Spark: its jars and nothing running, for what set-up does in Java."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

from sluice.spark.session import submit_environment
from sluice.spark.tuning import java_options


@contextmanager
def bare_gateway(jars: Sequence[Path] = ()) -> Iterator[Any]:
    """Start a bare JVM of Spark, with ``jars`` besides, and end it afterwards."""
    os.environ.update(submit_environment())
    options = " ".join(java_options(()))
    conf = SparkConf(loadDefaults=False).set("spark.driver.extraJavaOptions", options)
    conf.set("spark.driver.extraClassPath", ":".join(map(str, jars)))
    gateway = launch_gateway(conf)  # type: ignore[no-untyped-call]
    try:
        yield gateway
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=60)
