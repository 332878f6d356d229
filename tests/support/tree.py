"""What is in a folder, byte by byte: to see that nothing was changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from subprocess import run


def contents(folder: Path) -> dict[Path, bytes]:
    """Return each file below ``folder`` with what it holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_times(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Return all files and folders in ``folder``, itself too, with time and content."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


@contextmanager
def untouched(folder: Path) -> Iterator[None]:
    """Require that nothing changes in ``folder``, which is read-only where possible."""
    before = with_times(folder)
    options = ["--bind", "-o", "ro"]
    mount = which("mount") or "false"
    done = run([mount, *options, folder, folder], capture_output=True, check=False)
    try:
        yield
    finally:
        if done.returncode == 0:
            run(["umount", "-l", folder], check=True)
    assert with_times(folder) == before
