"""Java homes that a test makes."""

from __future__ import annotations

from pathlib import Path

from sluice.spark.setup.java import (
    Java,
)


def java_at(home: Path, version: str) -> Java:
    """Make a Java home whose launcher prints its arguments."""
    (home / "bin").mkdir(parents=True)
    (home / "release").write_text(f'JAVA_VERSION="{version}"\n')
    launcher = home / "bin" / "java"
    launcher.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    launcher.chmod(0o755)
    return Java(home, int(version.split(".", maxsplit=1)[0]), "PATH")
