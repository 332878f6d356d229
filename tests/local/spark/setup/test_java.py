"""Launchers that are scripts, started for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sluice.spark.setup.java import (
    Java,
    find_javas,
    write_shim,
)
from support.java_homes import java_at


@pytest.mark.usefixtures("no_bundled_java")
def test_a_script_before_java_is_asked_for_the_home(tmp_path: Path) -> None:
    """Version managers put a script on the path that knows the home."""
    script = tmp_path / "java"
    script.write_text(
        "#!/bin/sh\n"
        "echo '    java.home = /managed/java' >&2\n"
        "echo 'openjdk version \"21.0.8\"' >&2\n"
    )
    script.chmod(0o755)
    found = list(find_javas({"PATH": f"{tmp_path}:/bin"}))
    assert found == [Java(Path("/managed/java"), 21, "PATH")]


@pytest.mark.usefixtures("no_bundled_java")
def test_a_launcher_that_does_not_start_is_no_java(tmp_path: Path) -> None:
    """Some systems have a command that only says where to buy one."""
    (tmp_path / "java").write_text("#!/bin/sh\necho install Java >&2\nexit 1\n")
    (tmp_path / "java").chmod(0o755)
    environ = {"JAVA_HOME": str(tmp_path / "gone"), "PATH": f"{tmp_path}:/bin"}
    assert list(find_javas(environ)) == []


def test_the_shim_drops_the_missing_module_and_nothing_else(tmp_path: Path) -> None:
    """Arguments with spaces and empty ones must arrive as they were given."""
    home = write_shim(java_at(tmp_path / "jre", "21.0.8"), tmp_path / "share")
    arguments = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "a b", "", "*", "-c"]
    done = subprocess.run(
        [home / "bin" / "java", *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:-1] == ["-Xmx1g", "a b", "", "*", "-c"]


def test_the_shim_names_each_jar_of_spark_once_and_slf4j_first(tmp_path: Path) -> None:
    """Java 21 refuses its archive of classes for a class path with a repeated jar."""
    home = write_shim(java_at(tmp_path / "jre", "21.0.8"), tmp_path / "share")
    jars = tmp_path / "spark" / "jars"
    jars.mkdir(parents=True)
    for name in ("a.jar", "slf4j-api-2.jar", "z.jar"):
        (jars / name).touch()
    given = f"/delta.jar:{jars}/slf4j-api-2.jar:{jars}/*"
    done = subprocess.run(
        [home / "bin" / "java", "-cp", given],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = f"/delta.jar:{jars}/slf4j-api-2.jar:{jars}/a.jar:{jars}/z.jar"
    assert done.stdout.split("\n")[:-1] == ["-cp", expected]
