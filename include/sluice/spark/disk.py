"""Spark on a disk: one of two writers commits, and files cost no child processes.

Delta takes every file system for one whose rename refuses a name that is taken. A
disk's rename replaces: a writer that is paused between its look and its rename
overwrites what another committed meanwhile. ``LinkingLogStore`` gives a commit
its name by a hard link, as delta-rs does.

PySpark has no native library of Hadoop, which then starts a process for each permission
that it sets and each path that it renames: some hundred in an hour's run. ``DiskFiles``
asks Java instead, below Hadoop's checksums and renames, which stay as they are.
"""

from __future__ import annotations

from sluice.spark.setup.jars import LOCK
from sluice.spark.setup.java_classes import JavaClasses

DISK_CLASSES = JavaClasses(
    name="disk",
    classes=(
        "DiskContext",
        "DiskFiles",
        "DiskFileSystem",
        "LinkedFile",
        "LinkingLogStore",
    ),
    locks=(LOCK,),
    purpose="it makes commits on a disk exclusive",
    set_up="run `make setup`",
)
