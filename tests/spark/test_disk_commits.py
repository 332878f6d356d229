"""Of the writers of one version of a Delta table on a disk, one gets through."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from sluice.spark.tuning import DISK_LOG_STORE
from support.killing import wait_until

pytestmark = pytest.mark.needs_java

TAKEN = "FileAlreadyExistsException"


class Log:
    """The log of one table, written as Delta's commits write it."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        """Ask Delta for the store that it would use for ``folder``."""
        self.jvm: Any = spark._jvm
        self.conf = spark._jsc.hadoopConfiguration()
        self.folder = folder
        stores = self.jvm.org.apache.spark.sql.delta.storage.LogStore
        self.store = stores.apply(spark._jsparkSession)

    def path(self, name: str) -> Any:
        """Return a file of the log as Hadoop's path."""
        return self.jvm.org.apache.hadoop.fs.Path(f"file:{self.folder}/{name}")

    def lines(self, text: str) -> Any:
        """Return Java's iterator over the words of ``text``."""
        return self.jvm.java.util.Scanner(text)

    def write(self, name: str, lines: Any, *, overwrite: bool = False) -> str:
        """Write a file; return the error's text, or nothing."""
        actions = self.jvm.scala.jdk.javaapi.CollectionConverters.asScala(lines)
        try:
            self.store.write(self.path(name), actions, overwrite, self.conf)
        except (Py4JJavaError, PySparkException) as error:
            return str(error)
        return ""

    def text(self, name: str) -> str:
        """Read a file of the log."""
        return (self.folder / name).read_text()

    def names(self) -> list[str]:
        """Return all names of the folder, hidden ones too."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def log(spark: SparkSession, tmp_path: Path) -> Log:
    """Return the log of a table that is not there yet."""
    return Log(spark, tmp_path / "table" / "_delta_log")


def test_delta_commits_by_our_class(log: Log) -> None:
    """Delta picks the class by the scheme of the table's location."""
    chosen = log.store.getDelegate(log.path("0.json"))
    assert DISK_LOG_STORE in str(chosen.logStoreImpl().getClass().getName())


def test_commit_that_began_first_and_ends_last_is_refused(log: Log) -> None:
    """A driver that was paused while it wrote does not replace its successor's."""
    feed = log.jvm.java.io.PipedOutputStream()
    pipe = log.jvm.java.io.PipedInputStream(feed)
    with ThreadPoolExecutor(1) as pool:
        paused = pool.submit(log.write, "1.json", log.jvm.java.util.Scanner(pipe))
        feed.write(b"paused begins\n")
        feed.flush()
        wait_until(lambda: pipe.available() == 0, seconds=30)
        assert log.write("1.json", log.lines("other")) == ""
        feed.close()
        assert TAKEN in paused.result(timeout=60)

    assert log.text("1.json") == "other\n"
    assert log.names() == ["1.json"]


def test_racing_commits_have_one_winner(log: Log) -> None:
    """Of many commits of one version one is in the log, whole."""
    racers = 8
    together = Barrier(racers)

    def commit(racer: int) -> str:
        lines = log.lines(f"{racer}\n" * 1000)
        together.wait()
        return log.write("2.json", lines)

    with ThreadPoolExecutor(racers) as pool:
        outcomes = list(pool.map(commit, range(racers)))

    assert [TAKEN in each for each in outcomes].count(True) == racers - 1
    assert log.text("2.json") == f"{outcomes.index('')}\n" * 1000
    assert log.names() == ["2.json"]


def test_file_that_may_be_replaced_is_readable_afterwards(log: Log) -> None:
    """A checksum that an older version of Delta left beside it is not its own."""
    assert log.write("_last_checkpoint", log.lines("old"), overwrite=True) == ""
    other = b"crc\0" + (512).to_bytes(4, "big") + bytes(4)
    (log.folder / "._last_checkpoint.crc").write_bytes(other)
    assert log.write("_last_checkpoint", log.lines("new"), overwrite=True) == ""

    read = log.store.read(log.path("_last_checkpoint"), log.conf)
    assert read.mkString() == "new"
    assert log.names() == ["_last_checkpoint"]
