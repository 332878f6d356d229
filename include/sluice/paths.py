"""How locations are spelled: plain absolute paths on a disk, URIs on object storage."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from sluice.errors import Condition, UsageError

_SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:/")
# delta-rs takes a path for a URL: it decodes the first, and cannot take the others.
_OTHERWISE = re.compile(r"%[0-9a-fA-F]{2}|[\[\]^|\\\x00-\x1f\x7f]")
_S3_SCHEMES = {"s3a", "s3n"}


def normalize(location: str) -> str:
    """Return the one spelling of ``location`` that ledger and tables use.

    ``file:`` URIs and relative paths become plain absolute paths, ``s3a://`` becomes
    ``s3://``; a path on a disk is never percent-encoded. No trailing slash.
    """
    if not _SCHEME.match(location):
        return os.path.abspath(location)  # noqa: PTH100 - keeps symlinks as spelled
    scheme, _, rest = location.partition(":")
    if scheme.lower() == "file":
        return os.path.abspath(unquote(_without_authority(rest)))  # noqa: PTH100
    if not rest.startswith("//"):
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"location {location!r} is neither a path on a disk nor a URI; expected a "
            "path, or something like 's3://bucket/folder'",
            {"path": location},
        )
    scheme = "s3" if scheme.lower() in _S3_SCHEMES else scheme.lower()
    return f"{scheme}:{rest.rstrip('/')}"


def normalize_tables(location: str) -> str:
    """Return the spelling of a ``location`` in which Delta tables are.

    Raises:
        UsageError: its path has what Delta's own reader takes for something else, so
            that tables would be written to another folder, or not at all.
    """
    found = normalize(location)
    odd = _OTHERWISE.search(found)
    if odd:
        raise UsageError(
            Condition.PATH_NOT_FOUND,
            f"location {found!r} cannot hold Delta tables: their reader takes "
            f"{odd[0]!r} in a path for something else; choose a path without '%' and "
            "two hex digits, '[', ']', '^', '|', backslashes and control characters",
            {"path": found, "found": odd[0]},
        )
    return found


def _without_authority(rest: str) -> str:
    if not rest.startswith("//"):
        return rest
    return "/" + rest.removeprefix("//").partition("/")[2]


def is_local(location: str) -> bool:
    """Return True if a normalized ``location`` is on a disk."""
    return "://" not in location


def control_location(checkpoint: str) -> str:
    """Return where what steers the query of ``checkpoint`` is kept, beside it.

    Spark owns everything within a checkpoint, so nothing of ours is put there.
    """
    parent, _, name = checkpoint.rpartition("/")
    if not is_local(checkpoint) and parent.endswith("/"):
        return join(checkpoint, "_control")  # a whole bucket: nothing is beside it
    return join(parent, "_control", name)


def join(location: str, *names: str) -> str:
    """Append ``names`` to a normalized location."""
    return "/".join([location.rstrip("/"), *names])


def is_utf8(path: str) -> bool:
    """Return True if a path can be in a table; a disk has names that cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
