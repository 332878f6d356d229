"""Spark on a disk: a class of our own that lets one of two writers commit.

Delta takes every file system for one whose rename refuses a name that is taken. A
disk's rename replaces: a writer that is paused between its look and its rename
overwrites what another committed meanwhile. ``LinkingLogStore`` gives a commit
its name by a hard link, as delta-rs does.
"""

from __future__ import annotations

from sluice.spark.setup.jars import LOCK
from sluice.spark.setup.java_classes import JavaClasses

DISK_CLASSES = JavaClasses(
    name="disk",
    classes=("LinkedFile", "LinkingLogStore"),
    locks=(LOCK,),
    purpose="it makes commits on a disk exclusive",
    set_up="run `make setup`",
)
