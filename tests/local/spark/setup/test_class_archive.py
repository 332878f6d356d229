"""The rules of ``class_archive``: only a whole pair for this Java is offered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.spark.setup import class_archive
from sluice.spark.setup.class_archive import (
    archive_paths,
    class_archives,
    make_archives,
)
from sluice.spark.setup.java import Java
from sluice.spark.setup.java_classes import JavaClasses


@pytest.fixture(autouse=True)
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make an installation whose Java is a script that fails."""
    launcher = tmp_path / "bin" / "java"
    launcher.parent.mkdir()
    launcher.write_text("#!/bin/sh\necho no room >&2\nexit 1\n")
    launcher.chmod(0o755)
    java = Java(tmp_path, 21, "PATH")
    monkeypatch.setattr(class_archive, "share_folder", lambda: tmp_path)
    monkeypatch.setattr(class_archive, "java_home", lambda: tmp_path)
    monkeypatch.setattr(class_archive, "spark_java", lambda: java)
    archive_paths.cache_clear()
    yield tmp_path
    archive_paths.cache_clear()


def test_half_a_pair_is_not_offered() -> None:
    """A set-up that was killed between the two leaves the base alone."""
    base, top = archive_paths()
    base.touch()
    assert class_archives() == ()
    top.touch()
    assert class_archives() == (base, top)


def test_another_launcher_has_other_archives(share: Path) -> None:
    """What the launcher makes of the class path is part of what was archived."""
    before = archive_paths()
    (share / "bin" / "java").write_text("#!/bin/sh\nexit 0\n")
    archive_paths.cache_clear()
    assert archive_paths() != before


def test_other_classes_of_ours_have_other_archives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Their jar is on the class path that the archive was made for."""
    before = archive_paths()
    source = tmp_path / "Other.java"
    source.touch()
    monkeypatch.setattr(JavaClasses, "sources", [source])
    archive_paths.cache_clear()
    assert archive_paths() != before


def test_a_failure_is_returned_and_leaves_nothing(share: Path) -> None:
    """Spark starts slower without archives; set-up goes on and says why."""
    environment = {"JAVA_HOME": str(share)}
    assert make_archives(share / "conf", environment) == "no room\n"
    assert [path.name for path in share.iterdir()] == ["bin"]
