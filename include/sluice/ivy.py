"""How jars are fetched: by Spark's own Ivy, in a JVM that ends right after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway

from sluice.session import submit_environment


def fetch_with_ivy(coordinates: Sequence[str], folder: Path) -> list[Path]:
    """Fetch ``coordinates`` without their dependencies and return their files in order.

    A user's ``spark.jars.ivySettings`` and ``spark.jars.repositories`` are honoured.
    Ivy's cache lives in ``folder``, so that nothing is left in the home folder.
    """
    with _gateway() as jvm:
        maven = getattr(getattr(jvm.org.apache.spark.util, "MavenUtils$"), "MODULE$")
        option = jvm.scala.Option
        log = jvm.java.io.PrintStream(str(folder / "ivy.log"))
        files = maven.resolveMavenCoordinates(
            ",".join(coordinates),
            _ivy_settings(jvm, maven, folder / "ivy", log),
            option.empty(),
            False,  # noqa: FBT003 - transitive
            jvm.PythonUtils.toSeq([]),
            False,  # noqa: FBT003 - only a test of the resolution
            log,
        )
        paths = [Path(path) for path in files.mkString("\n").splitlines()]
    found = {path.name: path for path in paths}
    return [found[ivy_name(coordinate)] for coordinate in coordinates]


def ivy_name(coordinate: str) -> str:
    """Return the name under which Spark's Ivy leaves the jar of ``coordinate``."""
    group, artifact, version = coordinate.split(":")
    return f"{group}_{artifact}-{version}.jar"


def _ivy_settings(jvm: Any, maven: Any, folder: Path, log: Any) -> Any:
    """Return Ivy's settings: the user's own where Spark's configuration has them."""
    option, system = jvm.scala.Option, jvm.java.lang.System
    repositories = option.apply(system.getProperty("spark.jars.repositories"))
    ivy = option.apply(str(folder))
    own = system.getProperty("spark.jars.ivySettings")
    if own:
        return maven.loadIvySettings(own, repositories, ivy, log)
    return maven.buildIvySettings(repositories, ivy, False, log)  # noqa: FBT003


@contextmanager
def _gateway() -> Iterator[Any]:
    """Start a bare JVM of Spark and end it afterwards."""
    os.environ.update(submit_environment())
    gateway = launch_gateway(SparkConf(loadDefaults=False))  # type: ignore[no-untyped-call]
    try:
        yield gateway.jvm
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=60)
