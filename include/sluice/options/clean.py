"""The options of ``cloudFiles.cleanSource``, checked as Auto Loader documents them."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import partial

from sluice.errors import Condition, UsageError
from sluice.paths import is_local, join, normalize
from sluice.times import parse_duration
from sluice.values import Option, invalid_value_error, parse_flag, word_of

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


CLEANING = (
    Option(
        name="cloudFiles.cleanSource",
        default="OFF",
        meaning="`MOVE` or `DELETE` landed files whose rows are proven to be in the "
        "table; what a link in the landing folder leads to stays",
        parse=parse_clean_mode,
        field="clean_source",
    ),
    Option(
        name="cloudFiles.cleanSource.retentionDuration",
        default="30 days",
        meaning="how long after its commit a file stays: `14 days`, `1 month 12 "
        "hours` (a month counts 31 days). More than 7 days for `DELETE`, no minimum "
        "for `MOVE`",
        parse=partial(parse_duration, months=True),
        field="clean_retention",
    ),
    Option(
        name="cloudFiles.cleanSource.moveDestination",
        meaning="where `MOVE` puts files, each with its path below the source. Not "
        "within the source or around it, nor where another pipeline of the lake "
        "reads; in a bucket, the same one. A taken name is never overwritten: the "
        "file gets a second one",
        parse=normalize,
        field="move_destination",
    ),
    Option(
        name="cloudFiles.cleanSource.waitForCompletion",
        default="false",
        meaning="either value: cleaning always comes to its end",
        parse=parse_flag,
    ),
)


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
    require_apart(path, destination, option="cloudFiles.cleanSource.moveDestination")
    if _bucket(path) != _bucket(destination):
        raise invalid_value_error(
            "cloudFiles.cleanSource.moveDestination",
            destination,
            f"a place in the storage of the source, {_bucket(path) or 'a disk'!r}",
        )


def require_apart(path: str, destination: str, *, option: str) -> None:
    """Refuse a destination within the source, or around it.

    Raises:
        UsageError: its files would land in the source, or another's source, again.
    """
    if _is_within(destination, path) or _is_within(path, destination):
        raise invalid_value_error(
            option,
            destination,
            f"a folder that is not within the source {path!r}, nor around it: what is "
            "put there would be read again",
        )


def _is_within(inner: str, outer: str) -> bool:
    return join(inner, "").startswith(join(outer, ""))


def _bucket(location: str) -> str:
    return "" if is_local(location) else "/".join(location.split("/")[:3])
