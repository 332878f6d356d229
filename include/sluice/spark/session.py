"""A Spark session with Delta, the cloudFiles source and the tuned profile."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyspark
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession
from pyspark.sql.streaming.readwriter import DataStreamWriter

from sluice.control.jvm_loss import jvm_gone_error, was_killed
from sluice.spark.authentication import (
    DAEMON_SECRET,
    daemon_authentication,
    driver_authentication,
)
from sluice.spark.executors import require_same_environment
from sluice.spark.failures import name_own_errors
from sluice.spark.s3 import S3_LOG_STORE, is_on_s3, require_s3_jars, s3_settings
from sluice.spark.session_jars import require_session_jars
from sluice.spark.setup.class_archive import class_archives
from sluice.spark.setup.installation import (
    installation_error,
    share_folder,
    source_folder,
)
from sluice.spark.setup.jars import jars_folder
from sluice.spark.setup.java import java_home
from sluice.spark.tuning import (
    DISK_LOG_STORE,
    class_path,
    daemon_options,
    is_local_master,
    is_on_loopback,
    java_options,
    launcher_options,
    local_settings,
    merge_settings,
    remote_settings,
    session_settings,
    spark_settings,
)

SPARK_CLASS_PATH = "SPARK_DIST_CLASSPATH"
"""The variable with jars that Spark's launcher adds to every class path."""


def spark_session(app_name: str, **conf: str) -> SparkSession:
    """Return the session of this process, started with Delta and the tuned profile.

    ``conf`` takes Spark's keys as ``**{"spark.key": "value"}`` and wins over the
    profile. The master is ``local[*]`` unless ``conf`` or ``spark-submit`` names one;
    what ``spark-submit`` gave is never replaced by the profile. ``writeStream.table``
    is ``toTable``, and both make a Delta table where no format is named. What a query
    raises begins with the error of ours that made it fail.

    Raises:
        FatalError: the installation is not whole, or an executor's is another.
        RetryableError: the JVM was killed before it was ready.
        UsageError: the file of the cluster's secret cannot be read.
    """
    under_submit = "PYSPARK_GATEWAY_PORT" in os.environ
    is_new = SparkContext._active_spark_context is None  # noqa: SLF001
    spark_conf = _submitted_conf(conf) if under_submit else _own_conf(conf)
    try:
        # What is set before the JVM starts stands in its command line.
        SparkContext._ensure_initialized(conf=spark_conf)  # noqa: SLF001
        _authenticate(spark_conf)
        builder = SparkSession.builder.config(conf=spark_conf).appName(app_name)
        session = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        if was_killed(error):
            raise jvm_gone_error("Spark") from error
        raise installation_error(
            "Spark's JVM ended before it was ready; its own message stands above, and "
            "`sluice doctor` says if Java or a jar is the cause",
            {"settings": dict(spark_conf.getAll())},
        ) from error
    if is_new and not is_local_master(spark_conf.get("spark.master") or ""):
        require_same_environment(session)
    _name_tables()
    name_own_errors()
    return session


def _authenticate(spark_conf: SparkConf) -> None:
    """Set what a standalone cluster asks of its drivers; what is given wins."""
    master = spark_conf.get("spark.master") or ""
    for key, value in driver_authentication(master, os.environ).items():
        spark_conf.setIfMissing(key, value)


def _name_tables() -> None:
    """Give ``writeStream`` the method ``table``, as Databricks has it."""
    if not hasattr(DataStreamWriter, "table"):
        setattr(DataStreamWriter, "table", DataStreamWriter.toTable)  # noqa: B010


def storage_conf(locations: Iterable[str]) -> dict[str, str]:
    """Return the settings that a session needs to read and write ``locations``.

    They go to ``spark_session`` or to ``spark-submit``. Disks need none.

    Raises:
        FatalError: a location is on S3, and the jars for that are not installed.
    """
    if not is_on_s3(locations):
        return {}
    return s3_settings(require_s3_jars(), os.environ)


def submit_conf() -> dict[str, str]:
    """Return the settings that ``spark-submit`` needs before it starts the JVM."""
    options = java_options(class_archives())
    return spark_settings(require_session_jars(), options, sys.executable)


def submit_environment(master: str = "local[*]") -> dict[str, str]:
    """Return the environment variables with which to start ``spark-submit``."""
    environment = {
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_CONF_DIR": os.environ.get("SPARK_CONF_DIR") or str(empty_folder()),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LAUNCHER_OPTS": " ".join(launcher_options(class_archives())),
        "PYTHONPATH": _python_path(os.environ.get("PYTHONPATH", "")),
        SPARK_CLASS_PATH: _class_path(os.environ.get(SPARK_CLASS_PATH, "")),
    }
    if is_on_loopback(master):
        environment["SPARK_LOCAL_IP"] = "127.0.0.1"
    return environment


def daemon_environment(master: str, secret: str) -> dict[str, str]:
    """Return the environment variables with which to start a master or a worker.

    Both take only drivers, and each other, who know ``secret``. Options that stand in
    ``SPARK_DAEMON_JAVA_OPTS`` come last, and so win.
    """
    options = "SPARK_DAEMON_JAVA_OPTS"
    own = [*daemon_options(class_archives()), *daemon_authentication()]
    return {
        **submit_environment(master),
        DAEMON_SECRET: secret,
        # That of the driver, or the archives would be refused.
        "SPARK_DAEMON_CLASSPATH": class_path(require_session_jars()),
        options: " ".join([*own, os.environ.get(options, "")]).strip(),
    }


def conf_folder() -> Path:
    """Return the folder that set-up writes for ``SPARK_CONF_DIR``."""
    return share_folder() / "conf"


def empty_folder() -> Path:
    """Return an empty folder for the class path, where Spark wants its configuration.

    A JVM refuses its archive of loaded classes when that folder holds files, and Java
    21 also when it is missing.
    """
    folder = share_folder() / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def properties_file() -> Path:
    """Return the file that set-up writes for ``spark-submit --properties-file``.

    It starts faster than ``SPARK_CONF_DIR``: a folder with files on the class path
    makes the JVM refuse its archive of loaded classes.
    """
    return conf_folder() / "spark-defaults.conf"


def s3_properties_file() -> Path:
    """Return the same file for a lake on S3; ``make s3-jars`` writes it."""
    return conf_folder() / "spark-s3.conf"


def _own_conf(conf: Mapping[str, str]) -> SparkConf:
    """Return the whole configuration of a JVM that this process will start."""
    settings = _own_settings(conf)
    os.environ.update(submit_environment(settings["spark.master"]))
    return _filled(SparkConf(), settings)


def _own_settings(conf: Mapping[str, str]) -> dict[str, str]:
    """Return every setting of a session of our own, with ``conf`` laid over it."""
    master = conf.get("spark.master", "local[*]")
    settings = {"spark.master": master, **submit_conf(), **_master_settings(master)}
    return merge_settings(settings, conf)


def _submitted_conf(conf: Mapping[str, str]) -> SparkConf:
    """Return what ``spark-submit`` gave, with ``conf`` laid over it."""
    # Only a SparkConf made after this call reads the settings of the running JVM.
    SparkContext._ensure_initialized()  # noqa: SLF001
    given = SparkConf()
    given.setIfMissing("spark.master", "local[*]")
    local = is_local_master(given.get("spark.master") or "")
    defaults = {**session_settings(), **(local_settings() if local else {})}
    for key, value in defaults.items():
        given.setIfMissing(key, value)
    _require_classes(on_s3="spark.jars" in conf)
    # What the JVM was started with cannot be given later.
    fixed = {"spark.jars", "spark.master"}
    return _filled(given, {key: conf[key] for key in conf.keys() - fixed})


def _require_classes(*, on_s3: bool) -> None:
    """Refuse a running JVM, which takes no jars, where our classes are missing."""
    _require_class(DISK_LOG_STORE, "a disk", properties_file(), "make setup")
    if on_s3:
        _require_class(S3_LOG_STORE, "S3", s3_properties_file(), "make s3-jars")


def _require_class(name: str, place: str, properties: Path, set_up: str) -> None:
    jvm: Any = SparkContext._jvm  # noqa: SLF001
    if not jvm.org.apache.spark.util.Utils.classIsLoadable(name):
        raise installation_error(
            f"spark-submit was started without the jars for {place}: class {name!r} is "
            "missing, and without it two drivers could overwrite each other; submit "
            f"with `--properties-file {properties}`, which `{set_up}` writes",
            {"class": name},
        )


def _master_settings(master: str) -> dict[str, str]:
    """Return what depends on where the executors run."""
    if is_local_master(master):
        return local_settings()
    return remote_settings(source_folder())


def _filled(spark_conf: SparkConf, settings: Mapping[str, str]) -> SparkConf:
    """Set ``settings`` on ``spark_conf`` and return it."""
    return spark_conf.setAll(list(settings.items()))


def _class_path(given: str) -> str:
    """Return ``given`` without the jar that plain sessions get from set-up.

    Our sessions have it by name, and a longer class path has no archive of classes. In
    a set-up that compiles another jar it is the jar of the set-up before.
    """
    own = jars_folder()
    others = [each for each in given.split(os.pathsep) if Path(each).parent != own]
    return os.pathsep.join(others)


def _python_path(given: str) -> str:
    """Return ``given`` with the folder of our packages in front, once."""
    source = str(source_folder())
    others = [entry for entry in given.split(os.pathsep) if entry and entry != source]
    return os.pathsep.join([source, *others])
