"""Times and durations as users write them; a time without an offset is UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {
    "millisecond": timedelta(milliseconds=1),
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
# These have no fixed length: the longest there is.
_MONTHS = {"month": timedelta(days=31), "year": timedelta(days=366)}
_SHORT = {
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
}
_PART = re.compile(r"(\d+)\s*([a-z]+)\s*")
_DURATION = re.compile(rf"(?:interval\s+)?((?:{_PART.pattern})+)")


def parse_utc(text: str) -> datetime:
    """Parse an ISO 8601 time; one without an offset is UTC.

    Raises:
        ValueError: the text is none.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_duration(text: str, *, months: bool = False) -> timedelta:
    """Parse ``30s``, ``10 minutes`` or ``interval 1 day 12 hours``.

    Where ``months`` may be used, one counts 31 days and a year 366.

    Raises:
        ValueError: anything else; the message says what was expected.
    """
    units = _UNITS | _MONTHS if months else _UNITS
    parts = _parts(text)
    if not parts or not units.keys() >= {unit for _, unit in parts}:
        message = "a duration such as '30s', '10 minutes' or '1 day 12 hours'"
        raise ValueError(message)
    return sum((count * units[unit] for count, unit in parts), timedelta())


def spark_duration(text: str) -> str:
    """Return a duration as Spark spells it, which has no short names of units.

    Raises:
        ValueError: the text is none.
    """
    parse_duration(text)
    return " ".join(f"{count} {unit}s" for count, unit in _parts(text))


def _parts(text: str) -> list[tuple[int, str]]:
    match = _DURATION.fullmatch(text.strip().lower())
    found = _PART.findall(match[1]) if match else []
    words = [word if word in _SHORT else word.removesuffix("s") for _, word in found]
    return [
        (int(count), _SHORT.get(word, word))
        for (count, _), word in zip(found, words, strict=True)
    ]
