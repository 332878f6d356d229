"""The options of ``cloudFiles.cleanSource``, checked as Auto Loader documents them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from sluice.errors import Condition, UsageError
from sluice.paths import is_local, join
from sluice.values import invalid_value_error, word_of

DEFAULT_RETENTION = timedelta(days=30)
_LEAST_FOR_DELETE = timedelta(days=7)


class CleanMode(StrEnum):
    """What becomes of a landed file once its rows are in the table."""

    OFF = "OFF"
    MOVE = "MOVE"
    DELETE = "DELETE"


def parse_clean_mode(text: str) -> CleanMode:
    """Parse ``OFF``, ``MOVE`` or ``DELETE``, in any case.

    ``false`` is ``OFF`` too: YAML reads a bare OFF so.

    Raises:
        ValueError: anything else.
    """
    if text.strip().lower() == "false":
        return CleanMode.OFF
    return word_of(CleanMode)(text)


def require_cleanable(
    path: str, mode: CleanMode, retention: timedelta, destination: str | None
) -> None:
    """Refuse options by which files would be lost or read again.

    Raises:
        UsageError: MOVE without a destination, or with one that is not apart from the
            source ``path``; DELETE after 7 days or less.
    """
    if mode is CleanMode.DELETE and retention <= _LEAST_FOR_DELETE:
        raise invalid_value_error(
            "cloudFiles.cleanSource.retentionDuration",
            str(retention),
            "more than 7 days",
        )
    if mode is not CleanMode.MOVE:
        return
    if destination is None:
        raise UsageError(
            Condition.OPTION_MISSING,
            "cloudFiles: cloudFiles.cleanSource is MOVE and says not where to; set "
            "cloudFiles.cleanSource.moveDestination",
        )
    require_apart(path, destination)
    if _bucket(path) != _bucket(destination):
        raise invalid_value_error(
            "cloudFiles.cleanSource.moveDestination",
            destination,
            f"a place in the storage of the source, {_bucket(path) or 'a disk'!r}",
        )


def require_apart(path: str, destination: str) -> None:
    """Refuse a destination within the source, or around it.

    Raises:
        UsageError: moved files would land in the source, or another's source, again.
    """
    if _is_within(destination, path) or _is_within(path, destination):
        raise invalid_value_error(
            "cloudFiles.cleanSource.moveDestination",
            destination,
            f"a folder that is not within the source {path!r}, nor around it: moved "
            "files would be read again",
        )


def _is_within(inner: str, outer: str) -> bool:
    return join(inner, "").startswith(join(outer, ""))


def _bucket(location: str) -> str:
    return "" if is_local(location) else "/".join(location.split("/")[:3])
