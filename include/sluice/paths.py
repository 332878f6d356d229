"""How locations are spelled: plain absolute paths on a disk, URIs on object storage."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:/")
_S3_SCHEMES = {"s3a", "s3n"}


def normalize(location: str) -> str:
    """Return the one spelling of ``location`` that ledger and tables use.

    ``file:`` URIs and relative paths become plain absolute paths, ``s3a://`` becomes
    ``s3://``; a path on a disk is never percent-encoded. No trailing slash.
    """
    if not _SCHEME.match(location):
        return os.path.abspath(location)  # noqa: PTH100 - keeps symlinks as spelled
    parts = urlsplit(location)
    if parts.scheme == "file":
        return os.path.abspath(unquote(parts.path))  # noqa: PTH100
    scheme = "s3" if parts.scheme in _S3_SCHEMES else parts.scheme
    return f"{scheme}://{location.split('://', 1)[1].rstrip('/')}"


def is_local(location: str) -> bool:
    """Tell whether a normalized ``location`` is on a disk."""
    return "://" not in location


def join(location: str, *names: str) -> str:
    """Append ``names`` to a normalized location."""
    return "/".join([location.rstrip("/"), *names])


def require_local(location: str) -> Path:
    """Return ``location`` as a path, for what only works on a disk."""
    return Path(location)
