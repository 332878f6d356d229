"""Require that executors have the driver's Python, packages and jars.

A source that is read by another version of its own code, or by another pyarrow, would
give other rows in silence. Spark itself compares Python's minor version only, and its
JVM passes over a jar that is not there until a class of it is missing.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError

from sluice.spark.setup.installation import installation_error

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PACKAGES = ("sluice", "pyspark", "deltalake", "msgspec", "numpy", "obstore", "pyarrow")
_NO_MODULE = "No module named"
_CLASS_PATH = "spark.executor.extraClassPath"
_PRESENT, _MISSING = "present", "missing"

Environment = Mapping[str, str]


def require_same_environment(spark: SparkSession) -> None:
    """Compare Python, packages and jars of every busy executor with the driver's.

    Costs one small job. On ``local[…]`` it proves nothing and need not be called.

    Raises:
        FatalError: an executor lacks a package or a jar, or has another version.
    """
    context = spark.sparkContext
    # More tasks than cores, so that an executor that is up gets one.
    tasks = 2 * context.defaultParallelism
    paths = (spark.conf.get(_CLASS_PATH, "") or "").split(":")
    jars = [each for each in paths if each.endswith(".jar")]
    find = partial(_find, jars)
    try:
        found = context.parallelize(range(tasks), tasks).mapPartitions(find).collect()
    except Py4JJavaError as error:
        if _NO_MODULE not in str(error):
            raise
        raise installation_error(
            "Spark's executors cannot import the package 'sluice': install the wheel "
            "of the driver's version into their Python, or use one image for driver "
            "and executors (docs/deployment.md)",
            {"error": str(error)},
        ) from error
    require_same(environment() | dict.fromkeys(jars, _PRESENT), found)


def require_same(driver: Environment, executors: Iterable[Environment]) -> None:
    """Refuse executors with other versions than their driver's.

    Raises:
        FatalError: names each version that is missing or differs.
    """
    differing = sorted(
        {
            f"{name} {found.get(name, _MISSING)} instead of {wanted}"
            for found in executors
            for name, wanted in driver.items()
            if found.get(name) != wanted
        }
    )
    if differing:
        raise installation_error(
            "Spark's executors differ from the driver and could read other rows: "
            f"{'; '.join(differing)}; install the driver's versions there, or use one "
            "image for driver and executors (docs/deployment.md)",
            {"differences": differing},
        )


def environment() -> dict[str, str]:
    """Return the versions of this Python and of the packages that reading needs."""
    return {"Python": platform.python_version()} | {
        name: _version(name) for name in _PACKAGES
    }


def _find(jars: Sequence[str], _rows: Iterable[int]) -> Iterator[dict[str, str]]:
    there = [each for each in jars if Path(each).is_file()]
    yield environment() | dict.fromkeys(there, _PRESENT)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _MISSING
