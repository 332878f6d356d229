"""What is in a folder, byte by byte: to see that nothing was changed."""

from __future__ import annotations

from pathlib import Path


def contents(folder: Path) -> dict[Path, bytes]:
    """Return each file below ``folder`` with what it holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
