"""The rules of ``session_jars`` that need no JVM; ``tests/spark`` has the others."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from sluice.errors import FatalError
from sluice.spark import session_jars
from sluice.spark.disk import DISK_CLASSES
from sluice.spark.session_jars import SESSION_CLASSES, require_session_jars
from sluice.spark.setup import java_classes
from sluice.spark.source import SOURCE_CLASSES
from sluice.spark.tuning import DISK_LOG_STORE, session_settings


def test_jars_without_the_compiled_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delta's own way of committing lets a paused writer replace another's commit."""
    delta = Path("/jars/delta.jar")
    monkeypatch.setattr(session_jars, "require_jars", lambda: (delta,))
    monkeypatch.setattr(java_classes, "jars_folder", lambda: tmp_path)

    for each in SESSION_CLASSES:
        with pytest.raises(FatalError, match="make setup"):
            require_session_jars()
        each.jar.touch()
    own = [each.jar for each in SESSION_CLASSES]
    assert require_session_jars() == (delta, *own)


def test_every_session_commits_by_the_class_that_set_up_compiles() -> None:
    """Delta asks for the class by name when it first opens a table."""
    compiled = {f"sluice.disk.{source.stem}" for source in DISK_CLASSES.sources}

    assert session_settings()["spark.delta.logStore.file.impl"] == DISK_LOG_STORE
    assert DISK_LOG_STORE in compiled


def test_services_name_classes_that_set_up_compiles() -> None:
    """Spark refuses every format where one of them is missing."""
    compiled = {f"sluice.source.{source.stem}" for source in SOURCE_CLASSES.sources}

    named = chain.from_iterable(SOURCE_CLASSES.services.values())
    assert set(named) <= compiled


def test_another_spark_or_service_is_another_jar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The classes extend Spark's own: a jar for another release may not load."""
    before = SOURCE_CLASSES.jar
    monkeypatch.setattr(java_classes.pyspark, "__version__", "4.2.9")
    other_spark = SOURCE_CLASSES.jar
    other_service = replace(SOURCE_CLASSES, services={}).jar

    assert len({before, other_spark, other_service}) == 3


def test_set_up_compiles_again_when_a_source_changes() -> None:
    """A stamp of older sources would leave a jar that no session finds."""
    import bootstrap  # noqa: PLC0415 - found on the path of the project

    named = {Path(name).name for name in bootstrap.INPUTS}
    for each in SESSION_CLASSES:
        assert {source.name for source in each.sources} <= named
