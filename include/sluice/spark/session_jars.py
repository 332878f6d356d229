"""What every session has on its class path: Delta's jars and classes of our own."""

from __future__ import annotations

from pathlib import Path

from sluice.spark.disk import DISK_CLASSES
from sluice.spark.setup.jars import require_jars
from sluice.spark.source import SOURCE_CLASSES

SESSION_CLASSES = (DISK_CLASSES, SOURCE_CLASSES)


def require_session_jars() -> tuple[Path, ...]:
    """Return the jars of every session.

    Raises:
        FatalError: a jar is missing or changed.
    """
    return (*require_jars(), *(each.require() for each in SESSION_CLASSES))
