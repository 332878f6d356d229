"""Of two drivers that write one file of a log on S3, the server lets one through."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError, get_return_value

from sluice import storage
from sluice.spark.s3 import require_s3_jars, s3_settings
from sluice.spark.setup.gateway import bare_gateway
from sluice.spark.setup.jars import require_jars
from support.killing import wait_until
from support.s3_server import S3Server

pytestmark = [pytest.mark.needs_java, pytest.mark.needs_s3, pytest.mark.timeout(900)]

TAKEN = "java.nio.file.FileAlreadyExistsException"
HADOOP = "spark.hadoop."


class Jvm:
    """Spark's jars and those for S3, with the settings that a session has."""

    def __init__(self, gateway: Any, settings: dict[str, str]) -> None:
        """Keep the settings of Hadoop, which name the server."""
        self.gateway, self.java = gateway, gateway.jvm
        self.conf = self.java.org.apache.hadoop.conf.Configuration()
        for name, value in settings.items():
            self.conf.set(name.removeprefix(HADOOP), value)
        self.log_store = self.java.sluice.s3.ConditionalLogStore(self.conf)

    def path(self, location: str) -> Any:
        """Return ``location`` as Hadoop's path."""
        return self.java.org.apache.hadoop.fs.Path(location)

    def lines(self, *lines: str) -> Any:
        """Return Java's iterator over lines."""
        return self.gateway.jvm.java.util.Scanner("\n".join(lines))

    def files(self, location: str) -> Any:
        """Return the manager of the checkpoint's files at ``location``."""
        manager = self.java.sluice.s3.ConditionalCheckpointFileManager
        return manager(self.path(location), self.conf)

    def commit(self, location: str, lines: Any, *, overwrite: bool = False) -> str:
        """Write a file of a Delta log; return the error's class, or nothing."""
        try:
            self.log_store.write(self.path(location), lines, overwrite, self.conf)
        except Py4JJavaError as error:
            return str(error.java_exception.getClass().getName())
        return ""


@pytest.fixture(scope="module")
def jvm(s3_server: S3Server, s3_jars: None) -> Iterator[Jvm]:
    """Return one JVM for all tests; no session runs in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment.items():
            patch.setenv(name, value)
        jars = require_s3_jars()
        settings = s3_settings(jars, s3_server.environment)
        # With a Spark session in this process PySpark would ask the session's own JVM
        # about the errors of this one.
        patch.setattr("py4j.java_gateway.get_return_value", get_return_value)
        with bare_gateway([*require_jars(), *jars]) as gateway:
            yield Jvm(gateway, settings)


def test_commit_that_began_first_and_ends_last_is_refused(
    jvm: Jvm, bucket: str
) -> None:
    """A driver that was paused while it wrote does not replace its successor's."""
    location = f"{bucket}/table/_delta_log/00000000000000000001.json"
    feed = jvm.java.java.io.PipedOutputStream()
    pipe = jvm.java.java.io.PipedInputStream(feed)
    with ThreadPoolExecutor(1) as pool:
        paused = pool.submit(jvm.commit, location, jvm.java.java.util.Scanner(pipe))
        feed.write(b"paused begins\n")
        feed.flush()
        wait_until(lambda: pipe.available() == 0, seconds=30)
        assert jvm.commit(location, jvm.lines("other")) == ""
        feed.close()
        assert paused.result(timeout=60) == TAKEN

    assert storage.read_file(location) == b"other\n"
    assert jvm.commit(location, jvm.lines("again"), overwrite=True) == ""
    assert storage.read_file(location) == b"again\n"


def test_racing_commits_have_one_winner(jvm: Jvm, bucket: str) -> None:
    """Of many commits of one version one is in the log, whole."""
    location = f"{bucket}/table/_delta_log/00000000000000000002.json"
    racers = 8
    together = Barrier(racers)

    def commit(racer: int) -> str:
        lines = jvm.lines(*[f"{racer}"] * 1000)
        together.wait()
        return jvm.commit(location, lines)

    with ThreadPoolExecutor(racers) as pool:
        outcomes = list(pool.map(commit, range(racers)))

    assert sorted(outcomes) == ["", *[TAKEN] * (racers - 1)]
    winner = f"{outcomes.index('')}\n".encode()
    assert storage.read_file(location) == winner * 1000


def test_second_file_of_a_checkpoint_is_refused(jvm: Jvm, bucket: str) -> None:
    """Two drivers have begun one file of the offset log; the first to end has it."""
    location = f"{bucket}/checkpoint/offsets/0"
    drivers = [jvm.files(f"{bucket}/checkpoint/offsets") for _ in range(2)]
    begun = [each.createAtomic(jvm.path(location), False) for each in drivers]
    for name, stream in zip((b"first", b"second"), begun, strict=True):
        stream.write(name)

    begun[0].close()
    with pytest.raises(Py4JJavaError, match=r"hadoop.fs.FileAlreadyExistsException"):
        begun[1].close()
    assert storage.read_file(location) == b"first"

    replaced = drivers[1].createAtomic(jvm.path(location), True)
    replaced.write(b"state")
    replaced.close()
    assert storage.read_file(location) == b"state"


def test_cancelled_file_of_a_checkpoint_leaves_nothing(jvm: Jvm, bucket: str) -> None:
    """Spark cancels what a failed task began to write."""
    location = f"{bucket}/checkpoint/state/1.delta"
    stream = jvm.files(f"{bucket}/checkpoint").createAtomic(jvm.path(location), True)
    stream.write(b"half")
    stream.cancel()
    stream.close()

    assert storage.list_keys(bucket) == []


def test_checkpoint_on_a_disk_is_written_as_spark_does(
    jvm: Jvm, tmp_path: Path
) -> None:
    """A lake on S3 may have a checkpoint on a disk."""
    location = str(tmp_path / "offsets" / "0")
    files = jvm.files(str(tmp_path / "offsets"))
    files.mkdirs(jvm.path(str(tmp_path / "offsets")))
    stream = files.createAtomic(jvm.path(location), False)
    stream.write(b"offsets")
    stream.close()

    assert Path(location).read_bytes() == b"offsets"
    assert [each.getPath().getName() for each in files.list(jvm.path(location))] == [
        "0"
    ]
