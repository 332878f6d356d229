"""The tuned Spark settings: one source for plain sessions and for ``spark-submit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")


DISK_LOG_STORE = "sluice.disk.LinkingLogStore"

_DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": (
        "org.apache.spark.sql.delta.catalog.DeltaCatalog"
    ),
    "spark.delta.logStore.file.impl": DISK_LOG_STORE,
    "spark.hadoop.fs.file.impl": "sluice.disk.DiskFileSystem",
    "spark.hadoop.fs.AbstractFileSystem.file.impl": "sluice.disk.DiskContext",
    # A table is Delta where no format is named, as on Databricks; Spark's is Parquet.
    "spark.sql.sources.default": "delta",
}

_TUNED = {
    # Delta's default of 50 partitions makes each commit take seconds for small logs.
    "spark.databricks.delta.snapshotPartitions": "1",
    # A stateful query always keeps the number of its first run.
    "spark.sql.shuffle.partitions": "2",
    # Beyond the threshold Spark lists paths in a job of one task per path.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000000",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    "spark.sql.sources.ignoreDataLocality": "true",
    "spark.sql.files.openCostInBytes": "65536",
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

_QUIET_ARCHIVES = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Xlog:class+path=off")
_FAST_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData")
_ADDING = {
    "spark.driver.extraJavaOptions": " ",
    "spark.executor.extraJavaOptions": " ",
    "spark.jars": ",",
}
# Rows come from Python as Arrow, whose own checks of each value cost Java a fifth of
# the time that taking them takes.
_UNCHECKED_ARROW = (
    "-Darrow.enable_unsafe_memory_access=true",
    "-Darrow.enable_null_check_for_get=false",
)
# Room for the classes of a run from the start: growing to it costs full collections.
_CLASS_ROOM = "-XX:MetaspaceSize=256m"
# With one compiler the JVM keeps 48 MB for compiled code, and Spark makes code for each
# query. Once they are full nothing more is compiled, and all that is new crawls.
_CODE_ROOM = "-XX:ReservedCodeCacheSize=240m"
# A run compiles some 200 pieces of code. Of Spark's own 100 the oldest go, and each
# micro-batch compiles its own again.
_KEPT_CODE = "1000"


def session_settings() -> dict[str, str]:
    """Return the settings that a session can still take when its JVM is up."""
    return {**_DELTA, **_TUNED}


def spark_settings(
    jars: Sequence[Path], java_options: Sequence[str], python: str
) -> dict[str, str]:
    """Return every setting that must stand before the JVM starts, for any master.

    Executors are started as the driver is: they have its files at its paths, or pass
    over in silence what is not there.
    """
    classpath = class_path(jars)
    return {
        **session_settings(),
        "spark.driver.memory": "2g",
        "spark.sql.codegen.cache.maxEntries": _KEPT_CODE,
        # The class path of the JVM itself: shared class data does not cover spark.jars.
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.executor.extraJavaOptions": " ".join(java_options),
        "spark.pyspark.python": python,
        "spark.pyspark.driver.python": python,
    }


def local_settings() -> dict[str, str]:
    """Return what keeps a local session off the network."""
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def catalog_settings(folder: Path) -> dict[str, str]:
    """Return what keeps a catalog and its tables in ``folder``, on this machine.

    Spark's own catalog ends with its session, and a table of the session before would
    stand in the way of the next. This one is Hive's in a database that Spark ships.
    """
    return {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={folder / 'catalog'};create=true"
        ),
        # Its log would lie in the folder that the process was started in.
        "spark.driver.extraJavaOptions": (
            f"-Dderby.stream.error.file={folder / 'catalog.log'}"
        ),
    }


def remote_settings(source: Path) -> dict[str, str]:
    """Return what executors outside the driver need besides; nothing is sent there."""
    return {"spark.executorEnv.PYTHONPATH": str(source)}


def java_options(archives: Sequence[Path]) -> list[str]:
    """Return the options of the driver's JVM.

    Archives of another JVM, or of another class path, are passed over in silence.
    """
    log = f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}"
    own = [_CLASS_ROOM, _CODE_ROOM, *_UNCHECKED_ARROW, log]
    return [*_FAST_START, *own, *archive_options(archives)]


def daemon_options(archives: Sequence[Path]) -> list[str]:
    """Return the options of a cluster's master and workers.

    Drivers connect to the master; none submits through a port of its own, and its
    page, which asks for no secret, ends no application.
    """
    fast_start = [*_FAST_START, *archive_options(archives)]
    closed = ["-Dspark.master.rest.enabled=false", "-Dspark.ui.killEnabled=false"]
    return [*fast_start, *closed]


def class_path(jars: Sequence[Path]) -> str:
    """Return ``jars`` as a class path."""
    return ":".join(map(str, jars))


def launcher_options(archives: Sequence[Path]) -> list[str]:
    """Return the options of the JVM that only builds the driver's command line."""
    return [*_FAST_START, *archive_options(archives[:1])]


def archive_options(archives: Sequence[Path]) -> list[str]:
    """Return the options that start a JVM from ``archives``, each over the last."""
    if not archives:
        return []
    files = ":".join(map(str, archives))
    return [f"-XX:SharedArchiveFile={files}", "-Xshare:auto", *_QUIET_ARCHIVES]


def is_local_master(master: str) -> bool:
    """Return True if ``master`` runs the executors inside the driver."""
    return master == "local" or master.startswith("local[")


def is_on_loopback(master: str) -> bool:
    """Return True if driver, master and executors all run on this machine."""
    return is_local_master(master) or master.startswith("spark://127.0.0.1:")


def merge_settings(base: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Lay ``own`` over ``base``; options of the JVM and jars add up."""
    both = {
        key: f"{base[key]}{separator}{own[key]}"
        for key, separator in _ADDING.items()
        if key in base and key in own
    }
    return {**base, **own, **both}


def render_properties(settings: Mapping[str, str]) -> str:
    """Return ``settings`` as a ``spark-defaults.conf``."""
    return "".join(f"{key} {value}\n" for key, value in sorted(settings.items()))
