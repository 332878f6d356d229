"""The rules of ``java``: which Java runs Spark, and how a bundled one starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import Condition, FatalError
from sluice.spark.setup.java import (
    Java,
    choose_java,
    find_javas,
    parse_major,
    require_java,
    write_shim,
)
from support.java_homes import java_at


def java(major: int, origin: str = "PATH") -> Java:
    """Return a found Java."""
    return Java(Path(f"/java-{major}"), major, origin)


def test_the_first_supported_java_wins() -> None:
    """The order of the search is the order of preference."""
    assert choose_java([java(8), java(21), java(17)]) == java(21)


@pytest.mark.parametrize("major", [8, 11, 18, 24, 26])
def test_other_versions_are_passed_over(major: int) -> None:
    """Spark is tested with the long-term versions only."""
    assert choose_java([java(major)]) is None


def test_no_java_is_an_error_that_names_each_that_did_not_fit() -> None:
    """The reader must see which Java was found and what to do."""
    with pytest.raises(FatalError, match="make setup") as caught:
        require_java([java(8), java(11)])
    assert caught.value.condition is Condition.INSTALLATION_BROKEN
    assert caught.value.context["found"] == ["/java-8 (Java 8)", "/java-11 (Java 11)"]


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('JAVA_VERSION="17.0.15"', 17),
        ('openjdk version "21.0.8" 2025-07-15 LTS', 21),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_402"', 8),
        ("command not found", None),
    ],
)
def test_the_major_version_is_read_from_both_spellings(
    text: str, major: int | None
) -> None:
    """The release file and the command spell it differently."""
    assert parse_major(text) == major


@pytest.mark.usefixtures("no_bundled_java")
def test_java_home_comes_before_path(tmp_path: Path) -> None:
    """JAVA_HOME is the user's choice."""
    java_at(tmp_path / "home", "17.0.1")
    java_at(tmp_path / "path", "21.0.1")
    environ = {
        "JAVA_HOME": str(tmp_path / "home"),
        "PATH": str(tmp_path / "path" / "bin"),
    }
    found = [(each.major, each.origin) for each in find_javas(environ)]
    assert found == [(17, "JAVA_HOME"), (21, "PATH")]


@pytest.mark.usefixtures("no_bundled_java")
def test_a_link_on_the_path_is_followed_to_its_home(tmp_path: Path) -> None:
    """Distributions link the launcher into a folder of commands."""
    installed = java_at(tmp_path / "installed", "17.0.1")
    (tmp_path / "java").symlink_to(installed.home / "bin" / "java")
    assert list(find_javas({"PATH": str(tmp_path)})) == [installed]


@pytest.mark.usefixtures("no_bundled_java")
def test_a_process_that_inherits_the_shim_finds_the_java_behind_it(
    tmp_path: Path,
) -> None:
    """A shim of a shim would be another Java, with archives of its own."""
    installed = java_at(tmp_path / "jre", "21.0.8")
    home = write_shim(installed, tmp_path / "share")
    (found,) = find_javas({"JAVA_HOME": str(home), "PATH": ""})
    assert (found.home, found.major) == (installed.home, 21)


def test_two_javas_have_two_shims(tmp_path: Path) -> None:
    """One session's choice must not change the Java of another."""
    first = write_shim(java_at(tmp_path / "a", "21.0.8"), tmp_path / "share")
    second = write_shim(java_at(tmp_path / "b", "21.0.8"), tmp_path / "share")
    assert first != second


def test_a_shim_that_is_right_is_not_written_again(tmp_path: Path) -> None:
    """An installation that cannot be written still runs."""
    installed = java_at(tmp_path / "jre", "21.0.8")
    shim = write_shim(installed, tmp_path / "share") / "bin" / "java"
    before = shim.stat()
    write_shim(installed, tmp_path / "share")
    assert (shim.stat().st_ino, shim.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )
