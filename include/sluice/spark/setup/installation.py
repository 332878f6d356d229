"""Where set-up keeps what belongs to this interpreter, and how it fails."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sluice.errors import Condition, FatalError


def share_folder() -> Path:
    """Return the folder of the jars, the Java shim and the Spark configuration."""
    return Path(sys.prefix) / "share" / "sluice"


def source_folder() -> Path:
    """Return the folder that workers need on their path to import what runs here."""
    return Path(__file__).resolve().parents[3]


def installation_error(message: str, context: Mapping[str, object]) -> FatalError:
    """Return the error for an installation that must be mended before anything runs."""
    return FatalError(Condition.INSTALLATION_BROKEN, message, context)


def write_text_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write ``path`` so that a reader sees the old text or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        draft.unlink()
    # With its mode from the first byte on: it may be a secret.
    number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(number, "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.chmod(mode)
    draft.replace(path)
