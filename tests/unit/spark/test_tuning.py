"""The rules of ``sluice.spark.tuning``: one profile for both ways to start Spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.spark.tuning import (
    archive_options,
    daemon_options,
    is_local_master,
    java_options,
    launcher_options,
    local_settings,
    merge_settings,
    remote_settings,
    render_properties,
    session_settings,
    spark_settings,
)

ARCHIVES = (Path("/share/base.jsa"), Path("/share/top.jsa"))
OPTIONS = "spark.driver.extraJavaOptions"


def test_the_profile_keeps_small_runs_small() -> None:
    """Each of these was measured; the defaults cost seconds per run."""
    settings = session_settings()
    assert settings["spark.databricks.delta.snapshotPartitions"] == "1"
    assert settings["spark.sql.shuffle.partitions"] == "2"
    assert settings["spark.ui.enabled"] == "false"


def test_times_are_utc() -> None:
    """A session in local time would move every window."""
    assert session_settings()["spark.sql.session.timeZone"] == "UTC"


def test_jars_are_on_the_class_path_of_the_jvm() -> None:
    """Under spark-submit a setting of the session comes too late for them."""
    settings = spark_settings([Path("/j/a.jar"), Path("/j/b.jar")], ["-Dx=1"], "/py")
    assert settings["spark.driver.extraClassPath"] == "/j/a.jar:/j/b.jar"
    assert settings["spark.pyspark.python"] == "/py"
    assert settings[OPTIONS] == "-Dx=1"
    assert "spark.master" not in settings


def test_what_a_run_compiles_is_kept() -> None:
    """A run compiles some 200 pieces of code, of which Spark alone keeps 100."""
    settings = spark_settings([Path("/j/a.jar")], ["-Dx=1"], "/py")
    assert int(settings["spark.sql.codegen.cache.maxEntries"]) >= 500


def test_executors_start_as_the_driver_does() -> None:
    """Without it each start of an executor costs three times the processor time."""
    settings = spark_settings([Path("/j/a.jar")], ["-Dx=1", "-Dy=2"], "/py")
    assert settings["spark.executor.extraClassPath"] == "/j/a.jar"
    assert settings["spark.executor.extraJavaOptions"] == settings[OPTIONS]


def test_executors_find_the_source_where_the_driver_has_it() -> None:
    """A checkout at one path on all machines need not be installed."""
    settings = remote_settings(Path("/src"))
    assert settings == {"spark.executorEnv.PYTHONPATH": "/src"}


def test_a_master_takes_no_job_by_a_port_of_its_own() -> None:
    """The port's number is fixed: two clusters on a machine would both want it."""
    assert "-Dspark.master.rest.enabled=false" in daemon_options(ARCHIVES)


def test_a_local_session_stays_off_the_network() -> None:
    """A laptop's name often resolves to an address that is gone."""
    assert set(local_settings().values()) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("master", "local"),
    [
        ("local", True),
        ("local[*]", True),
        ("local[2,3]", True),
        ("local-cluster[2,1,1024]", False),
        ("spark://localhost:7077", False),
        ("yarn", False),
    ],
)
def test_a_master_is_local_when_executors_are_in_the_driver(
    master: str, local: bool
) -> None:
    """A cluster on this machine has workers of its own."""
    assert is_local_master(master) is local


def test_driver_starts_fast() -> None:
    """The second compiler costs a small run more than it saves."""
    assert "-XX:TieredStopAtLevel=1" in java_options(())


def test_arrow_is_taken_without_its_own_checks() -> None:
    """They cost Java a fifth of the time that taking rows from Python takes."""
    options = java_options(())

    assert "-Darrow.enable_unsafe_memory_access=true" in options
    assert "-Darrow.enable_null_check_for_get=false" in options


def test_compiled_code_has_the_room_of_a_jvm_with_both_compilers() -> None:
    """After 48 MB, its default with one, a long session compiles nothing any more."""
    assert "-XX:ReservedCodeCacheSize=240m" in java_options(())


def test_archives_are_stacked_in_order() -> None:
    """The upper archive is useless without the base before it."""
    (first, *_) = archive_options(ARCHIVES)
    assert first == "-XX:SharedArchiveFile=/share/base.jsa:/share/top.jsa"


def test_no_archive_means_no_option() -> None:
    """Spark starts without an archive, only slower."""
    assert archive_options(()) == []


def test_the_launcher_takes_the_base_alone() -> None:
    """Its class path is not the driver's, for which the upper archive was made."""
    assert "-XX:SharedArchiveFile=/share/base.jsa" in launcher_options(ARCHIVES)


def test_own_settings_win() -> None:
    """The profile is a default, not a law."""
    merged = merge_settings({"spark.ui.enabled": "false"}, {"spark.ui.enabled": "true"})
    assert merged == {"spark.ui.enabled": "true"}


def test_own_options_of_the_jvm_are_added() -> None:
    """One more option must not cost the log settings and the fast start."""
    assert merge_settings({OPTIONS: "-Da=1"}, {OPTIONS: "-Db=2"}) == {
        OPTIONS: "-Da=1 -Db=2"
    }


def test_jars_are_added() -> None:
    """Those of the user and those of S3 are both needed."""
    jars = "spark.jars"
    assert merge_settings({jars: "/a.jar"}, {jars: "/b.jar"}) == {jars: "/a.jar,/b.jar"}


def test_properties_are_sorted_lines() -> None:
    """Two set-ups of the same must write the same bytes."""
    assert render_properties({"b": "2 3", "a": "1"}) == "a 1\nb 2 3\n"
