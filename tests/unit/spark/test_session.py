"""The rules of ``sluice.spark.session`` that need no JVM."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sluice.errors import FatalError
from sluice.spark import session
from sluice.spark.s3 import S3_LOG_STORE
from sluice.spark.session import submit_conf, submit_environment
from sluice.spark.setup.installation import source_folder
from sluice.spark.source import SOURCE_CLASSES
from sluice.spark.tuning import DISK_LOG_STORE


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put names in the place of what set-up installs."""
    monkeypatch.setattr(session, "java_home", lambda: Path("/java"))
    monkeypatch.setattr(
        session, "require_session_jars", lambda: (Path("/jars/delta.jar"),)
    )
    monkeypatch.setattr(session, "class_archives", lambda: (Path("/base.jsa"),))


def test_workers_run_this_interpreter() -> None:
    """Another Python would not have our packages."""
    environment = submit_environment()
    assert environment["PYSPARK_PYTHON"] == sys.executable
    assert environment["PYSPARK_DRIVER_PYTHON"] == sys.executable


def test_workers_import_what_the_driver_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The source is looked up by its module's name, in front of what the user has."""
    source = str(source_folder())
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/mine", source]))
    assert submit_environment()["PYTHONPATH"] == os.pathsep.join([source, "/mine"])


def test_our_sessions_have_our_classes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class path that is longer than the archive's has no archive of classes."""
    own, older = SOURCE_CLASSES.jar, SOURCE_CLASSES.jar.with_name("sluice-source-0.jar")
    given = os.pathsep.join(["/hadoop/*", str(own), str(older)])
    monkeypatch.setenv("SPARK_DIST_CLASSPATH", given)
    assert submit_environment()["SPARK_DIST_CLASSPATH"] == "/hadoop/*"


def test_spark_is_the_one_of_this_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SPARK_HOME of another version would break the gateway."""
    monkeypatch.setenv("SPARK_HOME", "/opt/other-spark")
    assert Path(submit_environment()["SPARK_HOME"]).name == "pyspark"


def test_only_a_local_master_gets_the_loopback_address() -> None:
    """Executors elsewhere could not call back."""
    assert submit_environment("local[*]")["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert "SPARK_LOCAL_IP" not in submit_environment("spark://host:7077")


def test_submitted_and_own_sessions_share_one_profile() -> None:
    """What set-up writes for spark-submit is what a plain session uses."""
    own = dict(session._own_settings({}))
    assert submit_conf().items() <= own.items()


def test_the_master_is_this_machine_unless_named() -> None:
    """A default of a cluster would hang where there is none."""
    assert session._own_settings({})["spark.master"] == "local[*]"
    named = {"spark.master": "spark://host:7077"}
    assert session._own_settings(named)["spark.master"] == "spark://host:7077"


def test_a_session_on_a_cluster_sends_no_jar() -> None:
    """Executors have the jars at the driver's paths: a start fetches nothing."""
    settings = session._own_settings({"spark.master": "spark://host:7077"})
    assert "spark.jars" not in settings
    assert settings["spark.executor.extraClassPath"] == "/jars/delta.jar"
    assert "spark.driver.host" not in settings


def test_own_options_of_masters_and_workers_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cluster's administrator sets them, and the last of two wins in a JVM."""
    monkeypatch.setenv("SPARK_DAEMON_JAVA_OPTS", "-Dmine=1")
    found = session.daemon_environment("spark://host:7077", "known")
    options = found["SPARK_DAEMON_JAVA_OPTS"]
    assert options.startswith("-XX:")
    assert options.endswith(" -Dmine=1")


class Jvm:
    """A JVM of Spark's that lacks one class."""

    def __init__(self, lacking: str) -> None:
        """Lack the class of this name."""
        self.lacking = lacking

    def __getattr__(self, _name: str) -> Jvm:
        """Stand for every package and class."""
        return self

    def classIsLoadable(self, name: str) -> bool:  # noqa: N802 - Spark's name
        """Answer as Spark's Utils does."""
        return name != self.lacking


@pytest.mark.parametrize(
    ("lacking", "remedy"),
    [
        (DISK_LOG_STORE, r"spark-defaults\.conf.*`make setup`"),
        (S3_LOG_STORE, r"spark-s3\.conf.*`make s3-jars`"),
    ],
)
def test_submitted_job_needs_our_classes_in_its_jvm(
    monkeypatch: pytest.MonkeyPatch, lacking: str, remedy: str
) -> None:
    """A running JVM takes no jars, and without ours no commit would be exclusive."""
    monkeypatch.setattr(session.SparkContext, "_jvm", Jvm(lacking))

    with pytest.raises(FatalError, match=remedy):
        session._require_classes(on_s3=True)
