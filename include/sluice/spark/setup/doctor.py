"""What this machine lacks to run Sluice, and the fix for each."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sluice.spark.session import properties_file
from sluice.spark.session_jars import SESSION_CLASSES
from sluice.spark.setup.class_archive import class_archives
from sluice.spark.setup.jars import JarState, jar_states, jars_folder, locked_jars
from sluice.spark.setup.java import SUPPORTED_MAJORS, Java, choose_java, find_javas

OLDEST_PYTHON = (3, 11)
LEAST_FREE_BYTES = 2 * 1024**3
SET_UP = "run `make setup`"
EXPECTED_VERSIONS = {
    "pyspark": "4.2.0",
    "delta-spark": "4.4.0",
    "apache-airflow": "3.3.2",
    "apache-airflow-providers-apache-spark": "6.3.4",
}


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is as it must be, and what to do if it is not."""

    name: str
    ok: bool
    found: str
    fix: str


def doctor_checks(lake: Path | None = None) -> list[Check]:
    """Look at this machine and return every check, the good ones too.

    ``lake`` is the folder that must be writable; unset means ``SLUICE_LAKE``, else
    ``./lake``.
    """
    folder = lake or Path(os.environ.get("SLUICE_LAKE") or "lake")
    installed = {name: installed_version(name) for name in EXPECTED_VERSIONS}
    client = installed_version("pyspark-client")
    present = nearest_folder(folder.absolute())
    return [
        check_python(sys.version_info[:3]),
        check_java(list(find_javas(os.environ))),
        *map(check_jar, jar_states(locked_jars(), jars_folder())),
        *(check_classes(each.jar) for each in SESSION_CLASSES),
        *(check_version(name, found) for name, found in installed.items()),
        check_same_version(installed["pyspark"], client),
        check_worker_python(os.environ, sys.executable),
        check_spark_home(os.environ, Path(sys.prefix)),
        check_prepared(properties_file().is_file(), bool(class_archives())),
        check_disk(present, shutil.disk_usage(present).free),
        check_writable(folder, os.access(present, os.W_OK | os.X_OK)),
    ]


def check_python(found: tuple[int, int, int]) -> Check:
    """Check the interpreter's version."""
    text = ".".join(map(str, found))
    oldest = ".".join(map(str, OLDEST_PYTHON))
    fix = f"install Python {oldest} or newer, remove .venv and {SET_UP}"
    return Check("Python", found[:2] >= OLDEST_PYTHON, text, fix)


def check_java(found: Iterable[Java]) -> Check:
    """Check that one Java of those found can run Spark."""
    javas = list(found)
    chosen = choose_java(javas)
    shown = [chosen] if chosen else javas
    text = ", ".join(f"{java.major} by {java.origin}: {java.home}" for java in shown)
    wanted = ", ".join(map(str, SUPPORTED_MAJORS))
    fix = f"{SET_UP}, which brings one, or set JAVA_HOME to a Java {wanted}"
    return Check("Java", chosen is not None, text or "none", fix)


def check_jar(state: JarState) -> Check:
    """Check that a jar is the locked one."""
    found = {None: "no file", state.jar.sha256: "as locked"}.get(state.found, "changed")
    return Check(f"jar {state.jar.coordinate}", state.ok, found, f"{SET_UP} again")


def check_classes(jar: Path) -> Check:
    """Check that set-up has compiled Java classes of every session."""
    found = "compiled" if jar.is_file() else "no file"
    return Check(f"jar {jar.name}", jar.is_file(), found, f"{SET_UP} again")


def check_version(name: str, found: str | None) -> Check:
    """Check that a package has the version that works with all the others."""
    expected = EXPECTED_VERSIONS[name]
    return Check(
        name,
        found == expected,
        found or "not installed",
        f"expected {expected}: {SET_UP}",
    )


def check_same_version(pyspark: str | None, client: str | None) -> Check:
    """Check that pyspark and pyspark-client, which share files, are of one version."""
    return Check(
        "pyspark-client",
        client is not None and client == pyspark,
        client or "not installed",
        f"it must be pyspark's version, {pyspark}: {SET_UP}; never remove just one",
    )


def check_worker_python(environ: Mapping[str, str], executable: str) -> Check:
    """Check that nothing sends Spark's workers to another Python."""
    names = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
    others = {
        name: environ[name]
        for name in names
        if environ.get(name, executable) != executable
    }
    return Check(
        "PYSPARK_PYTHON",
        not others,
        ", ".join(f"{name}={value}" for name, value in others.items()) or executable,
        f"unset {' '.join(others) or 'it'}: workers must run {executable}",
    )


def check_spark_home(environ: Mapping[str, str], prefix: Path) -> Check:
    """Check that no other Spark is asked for by name."""
    found = environ.get("SPARK_HOME", "")
    ok = not found or Path(found).resolve().is_relative_to(prefix.resolve())
    fix = "unset SPARK_HOME: Spark comes with the packages"
    return Check("SPARK_HOME", ok, found or "not set", fix)


def check_prepared(configured: bool, archived: bool) -> Check:  # noqa: FBT001
    """Check that Spark starts without a network; the class archive only saves time."""
    speed = "fast start" if archived else "slow start: no archive of classes"
    found = f"configured, {speed}" if configured else "not configured"
    return Check("ready offline", configured, found, SET_UP)


def check_disk(folder: Path, free_bytes: int) -> Check:
    """Check that the lake's disk has room."""
    gib = f"{free_bytes / 1024**3:.1f} GiB free at {folder}"
    fix = f"free some space: {LEAST_FREE_BYTES // 1024**3} GiB are needed"
    return Check("disk", free_bytes >= LEAST_FREE_BYTES, gib, fix)


def check_writable(lake: Path, writable: bool) -> Check:  # noqa: FBT001
    """Check that the lake can be written."""
    found = f"{lake} is {'writable' if writable else 'read-only'}"
    return Check("lake", writable, found, "set SLUICE_LAKE to a folder of yours")


def nearest_folder(path: Path) -> Path:
    """Return ``path`` or its nearest parent that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def installed_version(package: str) -> str | None:
    """Return the version of ``package``, ``None`` where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def render_checks(checks: Iterable[Check]) -> str:
    """Return one line for each check and, under those that failed, the fix."""
    return "\n".join(
        f"{'ok     ' if check.ok else 'LACKING'}  {check.name}: {check.found}"
        + ("" if check.ok else f"\n         fix: {check.fix}")
        for check in checks
    )
