"""The rules of ``spark.disk`` that need no JVM; ``tests/spark`` has the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import FatalError
from sluice.spark import disk
from sluice.spark.disk import DISK_CLASSES, require_disk_jars
from sluice.spark.tuning import DISK_LOG_STORE, session_settings


def test_jars_without_the_compiled_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delta's own way of committing lets a paused writer replace another's commit."""
    delta = Path("/jars/delta.jar")
    monkeypatch.setattr(disk, "require_jars", lambda: (delta,))
    monkeypatch.setattr("sluice.spark.setup.java_classes.jars_folder", lambda: tmp_path)

    with pytest.raises(FatalError, match="make setup"):
        require_disk_jars()
    DISK_CLASSES.jar.touch()
    assert require_disk_jars() == (delta, DISK_CLASSES.jar)


def test_every_session_commits_by_the_class_that_set_up_compiles() -> None:
    """Delta asks for the class by name when it first opens a table."""
    compiled = {f"sluice.disk.{source.stem}" for source in DISK_CLASSES.sources}

    assert session_settings()["spark.delta.logStore.file.impl"] == DISK_LOG_STORE
    assert DISK_LOG_STORE in compiled


def test_set_up_compiles_again_when_a_source_changes() -> None:
    """A stamp of older sources would leave a jar that no session finds."""
    import bootstrap  # noqa: PLC0415 - found on the path of the project

    named = {Path(name).name for name in bootstrap.INPUTS}
    assert {source.name for source in DISK_CLASSES.sources} <= named
