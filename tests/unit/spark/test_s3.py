"""The rules of ``spark.s3``: jars and settings of a Spark that reads and writes S3."""

from __future__ import annotations

from pathlib import Path

import pyspark
import pytest

from sluice.errors import Condition, FatalError
from sluice.spark import s3
from sluice.spark.s3 import S3_CLASSES, S3_LOCK, is_on_s3, s3_settings
from sluice.spark.session import storage_conf
from sluice.spark.setup.jars import locked_jars

JARS = [Path("/jars/hadoop-aws.jar"), Path("/jars/classes.jar")]
HADOOP = "spark.hadoop.fs.s3a"


def test_disks_need_nothing() -> None:
    """A lake on a disk starts as fast as ever and needs no jars for S3."""
    assert storage_conf(["/lake/bronze", "gs://bucket/silver"]) == {}
    assert is_on_s3(["/lake/bronze", "s3://bucket/silver"])


def test_missing_jars_are_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A location on S3 without them would fail deep in Hadoop."""
    monkeypatch.setattr("sluice.spark.setup.jars.jars_folder", lambda: tmp_path)

    with pytest.raises(FatalError, match="make s3-jars") as caught:
        storage_conf(["s3://bucket/lake"])

    assert caught.value.condition is Condition.INSTALLATION_BROKEN


def test_jars_without_the_compiled_classes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delta's own way of writing lets two drivers overwrite each other."""
    monkeypatch.setattr(s3, "require_jars", lambda *_: tuple(JARS))
    monkeypatch.setattr("sluice.spark.setup.java_classes.jars_folder", lambda: tmp_path)

    with pytest.raises(FatalError, match="make s3-jars"):
        s3.require_s3_jars()
    S3_CLASSES.jar.touch()
    assert s3.require_s3_jars() == (*JARS, S3_CLASSES.jar)


def test_keys_stay_in_the_environment() -> None:
    """Settings show on command lines and in logs."""
    environ = {"AWS_ACCESS_KEY_ID": "the-id", "AWS_SECRET_ACCESS_KEY": "the-secret"}
    shown = str(s3_settings(JARS, environ))

    assert "the-id" not in shown
    assert "the-secret" not in shown


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, {}),
        (
            {"AWS_DEFAULT_REGION": "eu-west-1"},
            {f"{HADOOP}.endpoint.region": "eu-west-1"},
        ),
        (
            {"AWS_ENDPOINT_URL": "http://s3:7070"},
            {
                f"{HADOOP}.endpoint": "http://s3:7070",
                f"{HADOOP}.path.style.access": "true",
                f"{HADOOP}.endpoint.region": "us-east-1",
            },
        ),
        (
            {
                "AWS_ENDPOINT_URL": "https://s3.example",
                "AWS_REGION": "here",
                "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
            },
            {
                f"{HADOOP}.endpoint": "https://s3.example",
                f"{HADOOP}.path.style.access": "false",
                f"{HADOOP}.endpoint.region": "here",
            },
        ),
    ],
)
def test_server_is_that_of_the_other_libraries(
    environ: dict[str, str], found: dict[str, str]
) -> None:
    """The same variables lead obstore, delta-rs and Spark to one server."""
    fixed = s3_settings(JARS, {}).keys()
    settings = s3_settings(JARS, environ)

    assert {key: settings[key] for key in settings.keys() - fixed} == found


def test_commits_and_checkpoints_are_exclusive() -> None:
    """Each class that the settings name is one that set-up compiles."""
    named = {value for value in s3_settings(JARS, {}).values() if "sluice" in value}
    compiled = {f"sluice.s3.{source.stem}" for source in S3_CLASSES.sources}

    assert named == {
        "sluice.s3.ConditionalLogStore",
        "sluice.s3.ConditionalCheckpointFileManager",
    }
    assert named < compiled


def test_jars_are_of_the_hadoop_that_spark_ships() -> None:
    """Another version would miss classes at run time; the bundle has 686 MB."""
    hadoop = next(Path(pyspark.__file__).parent.glob("jars/hadoop-client-api-*.jar"))
    version = hadoop.stem.rsplit("-", 1)[1]
    coordinates = [each.coordinate for each in locked_jars(S3_LOCK)]

    assert f"org.apache.hadoop:hadoop-aws:{version}" in coordinates
    assert not any(":bundle:" in each for each in coordinates)
