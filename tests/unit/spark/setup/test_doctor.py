"""The rules of ``doctor``: every lack is seen, named and comes with a fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.spark.setup import doctor
from sluice.spark.setup.doctor import Check, render_checks
from sluice.spark.setup.jars import Jar, JarState
from sluice.spark.setup.java import Java

BIG = doctor.LEAST_FREE_BYTES
JAR = Jar("group:a:1", "00")

GOOD = {
    "python": doctor.check_python((3, 11, 0)),
    "java": doctor.check_java([Java(Path("/j"), 17, "PATH")]),
    "jar": doctor.check_jar(JarState(JAR, Path("a.jar"), "00")),
    "classes": doctor.check_classes(Path(__file__)),
    "version": doctor.check_version("pyspark", "4.2.0"),
    "client": doctor.check_same_version("4.2.0", "4.2.0"),
    "worker python": doctor.check_worker_python({"PYSPARK_PYTHON": "/p"}, "/p"),
    "worker python unset": doctor.check_worker_python({}, "/p"),
    "spark home": doctor.check_spark_home({"SPARK_HOME": "/v/spark"}, Path("/v")),
    "prepared": doctor.check_prepared(configured=True, archived=False),
    "disk": doctor.check_disk(Path("/"), BIG),
    "lake": doctor.check_writable(Path("lake"), writable=True),
}
BAD = {
    "python": doctor.check_python((3, 10, 14)),
    "java": doctor.check_java([Java(Path("/j"), 11, "PATH")]),
    "no java": doctor.check_java([]),
    "jar missing": doctor.check_jar(JarState(JAR, Path("a.jar"), None)),
    "jar changed": doctor.check_jar(JarState(JAR, Path("a.jar"), "01")),
    "classes": doctor.check_classes(Path("a.jar")),
    "version": doctor.check_version("pyspark", "4.3.0"),
    "not installed": doctor.check_version("delta-spark", None),
    "client": doctor.check_same_version("4.2.0", "4.1.0"),
    "no client": doctor.check_same_version(None, None),
    "worker python": doctor.check_worker_python({"PYSPARK_PYTHON": "/q"}, "/p"),
    "spark home": doctor.check_spark_home({"SPARK_HOME": "/opt/s"}, Path("/v")),
    "prepared": doctor.check_prepared(configured=False, archived=True),
    "disk": doctor.check_disk(Path("/"), BIG - 1),
    "lake": doctor.check_writable(Path("lake"), writable=False),
}


@pytest.mark.parametrize("check", GOOD.values(), ids=GOOD)
def test_what_is_as_it_must_be_is_ok(check: Check) -> None:
    """A doctor that finds fault with the healthy is not asked twice."""
    assert check.ok


@pytest.mark.parametrize("check", BAD.values(), ids=BAD)
def test_what_is_lacking_comes_with_a_fix(check: Check) -> None:
    """A lack that is not seen shows up as a stack trace later."""
    assert not check.ok
    assert check.fix


def test_a_changed_jar_differs_from_a_missing_one() -> None:
    """One was tampered with or cut, the other was never fetched."""
    assert BAD["jar changed"].found == "changed"
    assert BAD["jar missing"].found == "no file"


def test_every_python_that_spark_is_sent_to_is_named() -> None:
    """Unsetting one of two variables would not mend it."""
    environ = {"PYSPARK_PYTHON": "/q", "PYSPARK_DRIVER_PYTHON": "/r"}
    found = doctor.check_worker_python(environ, "/p").found
    assert found == "PYSPARK_PYTHON=/q, PYSPARK_DRIVER_PYTHON=/r"


def test_the_folder_that_decides_is_the_nearest_that_exists(tmp_path: Path) -> None:
    """A lake that is not there yet is made below it."""
    assert doctor.nearest_folder(tmp_path / "a" / "b") == tmp_path


def test_the_fix_is_shown_for_what_is_lacking_only() -> None:
    """Advice under a good line would be followed."""
    checks = [Check("a", True, "x", "do a"), Check("b", False, "y", "do b")]
    assert render_checks(checks) == "ok       a: x\nLACKING  b: y\n         fix: do b"


def test_this_machine_is_looked_at_whole(tmp_path: Path) -> None:
    """Every check runs, whatever it finds."""
    names = {check.name for check in doctor.doctor_checks(tmp_path)}
    assert {"Python", "Java", "pyspark", "pyspark-client", "disk", "lake"} <= names
