"""Our file system of a disk does what Hadoop's does, and starts no process for it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from py4j.protocol import Py4JJavaError
from pyspark import SparkContext
from pyspark.sql import SparkSession

pytestmark = pytest.mark.needs_java

HADOOPS = {
    "fs.file.impl": "org.apache.hadoop.fs.LocalFileSystem",
    "fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.LocalFs",
}
OURS = {
    "fs.file.impl": "sluice.disk.DiskFileSystem",
    "fs.AbstractFileSystem.file.impl": "sluice.disk.DiskContext",
}


class Disk:
    """A folder, written by the file systems that some settings name."""

    def __init__(self, spark: SparkSession, folder: Path, names: dict[str, str]):
        """Start in an empty folder, with file systems of its own."""
        folder.mkdir()
        self.folder = folder
        self.hadoop: Any = spark._jvm.org.apache.hadoop
        self.conf = self.hadoop.conf.Configuration(spark._jsc.hadoopConfiguration())
        for key, name in names.items():
            self.conf.set(key, name)
        uri = spark._jvm.java.net.URI("file:///")
        self.files = self.hadoop.fs.FileSystem.newInstance(uri, self.conf)
        self.context = self.hadoop.fs.FileContext.getFileContext(uri, self.conf)
        self.flags = spark._jvm.java.util.EnumSet.of(
            self.hadoop.fs.CreateFlag.CREATE, self.hadoop.fs.CreateFlag.OVERWRITE
        )

    def path(self, name: str, scheme: str = "file:") -> Any:
        """Return a path of the folder as Hadoop's."""
        return self.hadoop.fs.Path(f"{scheme}{self.folder}/{name}")

    def mode(self, octal: int) -> Any:
        """Return a permission as Hadoop's."""
        return self.hadoop.fs.permission.FsPermission(str(oct(octal)[2:]))

    def write(self, name: str, text: str) -> None:
        """Write a file as checkpoints are written, into folders that it makes."""
        kind = self.hadoop.fs.Options.CreateOpts
        options = java_array(kind, kind.createParent())
        stream = self.context.create(self.path(name), self.flags, options)
        stream.write(text.encode())
        stream.close()

    def rename(self, source: str, target: str, how: str) -> None:
        """Rename as checkpoints do."""
        kind = self.hadoop.fs.Options.Rename
        options = java_array(kind, getattr(kind, how))
        self.context.rename(self.path(source), self.path(target), options)

    def tree(self) -> dict[str, tuple[str, bytes]]:
        """Return the mode and content of all that is in the folder."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            content = path.read_bytes() if path.is_file() else b""
            name = path.relative_to(self.folder).as_posix()
            found[name] = (stat.filemode(path.lstat().st_mode), content)
        return found


def java_array(kind: Any, only: Any) -> Any:
    """Return Java's array with one value."""
    array = SparkContext._gateway.new_array(kind, 1)
    array[0] = only
    return array


def writes(disk: Disk) -> object:
    """Write through both doors, below folders that are made."""
    disk.write("a/b/file", "text")
    stream = disk.files.create(disk.path("c/file"))
    stream.write(b"text")
    stream.close()
    return disk.context.getFileStatus(disk.path("a/b/file")).getPermission().toString()


def permissions(disk: Disk) -> object:
    """Set permissions with the sticky bit, below a folder that hands its group on."""
    (disk.folder / "group").mkdir()
    (disk.folder / "group").chmod(0o2775)
    disk.files.mkdirs(disk.path("group/below"))
    disk.files.setPermission(disk.path("group"), disk.mode(0o700))
    disk.write("file", "text")
    (disk.folder / "file").chmod(0o4755)
    disk.files.setPermission(disk.path("file"), disk.mode(0o640))
    disk.files.mkdirs(disk.path("sticky"))
    disk.files.setPermission(disk.path("sticky"), disk.mode(0o1777))
    return None


def renames(disk: Disk) -> object:
    """Replace a file by a rename, with its checksum."""
    disk.write("draft", "new")
    disk.write("name", "old")
    disk.rename("draft", "name", "OVERWRITE")
    return disk.context.util().exists(disk.path("draft"))


def taken(disk: Disk) -> object:
    """Rename to a name that is taken."""
    disk.write("draft", "new")
    disk.write("name", "old")
    with pytest.raises(Py4JJavaError) as error:
        disk.rename("draft", "name", "NONE")
    return error.value.java_exception.getClass().getName()


def missing(disk: Disk) -> object:
    """Rename what is not there."""
    with pytest.raises(Py4JJavaError) as error:
        disk.rename("draft", "name", "NONE")
    return error.value.java_exception.getClass().getName()


def links(disk: Disk) -> object:
    """Ask for a link, one whose file is gone and a plain file, in both spellings."""
    disk.write("file", "text")
    (disk.folder / "link").symlink_to("file")
    (disk.folder / "gone").symlink_to("nowhere")
    states = [
        disk.files.getFileLinkStatus(disk.path(name, scheme))
        for name, scheme in (
            ("link", ""),
            ("link", "file:"),
            ("gone", ""),
            ("file", ""),
        )
    ]
    return [(each.isSymlink(), each.getLen()) for each in states]


@pytest.mark.parametrize("work", [writes, permissions, renames, taken, missing, links])
def test_files_are_those_of_hadoop(
    spark: SparkSession, tmp_path: Path, work: Callable[[Disk], object]
) -> None:
    """Names, modes, checksums, refusals: all but the processes."""
    hadoops = Disk(spark, tmp_path / "hadoops", HADOOPS)
    ours = Disk(spark, tmp_path / "ours", OURS)

    expected = work(hadoops)
    assert work(ours) == expected
    assert ours.tree() == hadoops.tree()


def test_stream_starts_no_process(spark: SparkSession, tmp_path: Path) -> None:
    """Each of Hadoop's costs a fork of a large JVM, some hundred an hour.

    A Python worker of an earlier test may end meanwhile, but not beside each of three.
    """
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "1.txt").write_text("a\nb\n")

    assert any(
        faults_of_children_ended_by(spark, landing, tmp_path / str(number)) == 0
        for number in range(3)
    )

    written = (tmp_path / "0" / "table").glob("*.parquet")
    assert sum(pq.read_metadata(path).num_rows for path in written) == 2


def faults_of_children_ended_by(
    spark: SparkSession, landing: Path, folder: Path
) -> int:
    """Return the page faults of the children that ended while a stream ran."""
    before = faults_of_ended_children(spark)
    rows = spark.readStream.format("text").load(str(landing)).dropDuplicates()
    writer = rows.writeStream.format("parquet").trigger(availableNow=True)
    writer = writer.option("checkpointLocation", str(folder / "checkpoint"))
    writer.start(str(folder / "table")).awaitTermination()
    return faults_of_ended_children(spark) - before


def faults_of_ended_children(spark: SparkSession) -> int:
    """Return the page faults of all children that the JVM has had; each has some."""
    jvm: Any = spark._jvm
    pid = jvm.java.lang.ProcessHandle.current().pid()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[8])
