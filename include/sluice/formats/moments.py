"""Dates and times in text: as Spark casts strings, or by the patterns of options."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache, partial
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.types as pt

from sluice.formats.patterns import Pattern, checked_pattern, read_pattern
from sluice.values import Option

_DATE = r"\s*\+?(\d{4,6})(?:-(\d{1,2})(?:-(\d{1,2})"
_DAY = re.compile(_DATE + r"(?:[ T].*)?)?)?\s*", re.ASCII | re.DOTALL)
_CLOCK = r"(?:(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?)?)?"
_BEHIND = rf"(?:(?:T(?=\d)| ){_CLOCK}(.*))?)?)?\s*"
_MOMENT = re.compile(_DATE + _BEHIND, re.ASCII | re.DOTALL)
# What Python reads as Spark does, and fifteen times as fast.
_PLAIN = re.compile(
    r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?"
    r"(?:Z|[+-](?:0\d|1[0-7]):[0-5]\d)?)?",
    re.ASCII,
)
_OFFSET = re.compile(r"(?:UTC|GMT|UT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII)
_LONGEST_OFFSET = timedelta(hours=18)

TIME_FORMATS = (
    Option(
        name="dateFormat",
        meaning="Spark's patterns of `y M d H h a m s S X x Z`, quoted text and "
        "`[optional]` parts; other letters are refused. Names of months are English",
        otherwise="as Spark casts strings",
        parse=checked_pattern,
        field="date_format",
    ),
    Option(
        name="timestampFormat",
        meaning="the same for timestamps",
        otherwise="as Spark casts strings",
        parse=checked_pattern,
        field="timestamp_format",
    ),
    Option(
        name="timestampNTZFormat",
        meaning="the same for timestamps without a time zone",
        otherwise="as Spark casts strings",
        parse=checked_pattern,
        field="timestamp_ntz_format",
    ),
    Option(
        name="timeFormat",
        meaning="the pattern of times of day",
        instead="leave it out: there are no columns of times of day",
        only="",
    ),
    Option(
        name="locale",
        default="en-US",
        meaning="whose names of months and numbers are read",
        instead="read the column as a string, and convert it in the query",
        only="en-us",
    ),
    Option(
        name="timeZone",
        default="UTC",
        meaning="the zone of times without one",
        instead="write times with their offset, or convert them in the query",
        only="utc",
    ),
    Option(
        name="enableDateTimeParsingFallback",
        default="false",
        meaning="read dates that are not of the pattern as older releases did",
        instead="set `dateFormat` and `timestampFormat` to the pattern of the files",
        only="false",
    ),
)
"""The options of formats whose files have dates and times as text."""
UNREADABLE = (ValueError, OverflowError, KeyError, OSError)
"""What reading a date or a time raises where the text is none."""


@dataclass(frozen=True)
class Formats:
    """The patterns of dates and times that options give, None for Spark's defaults."""

    date: str | None = None
    timestamp: str | None = None
    timestamp_ntz: str | None = None

    def pattern(self, kind: pa.DataType) -> Pattern | None:
        """Return the pattern of a type of time, None where Spark's default holds."""
        if pt.is_date32(kind):
            text = self.date
        else:
            text = self.timestamp if kind.tz else self.timestamp_ntz
        return None if text is None else read_pattern(text)


DEFAULTS = Formats()


def time_reader(kind: pa.DataType, formats: Formats) -> Callable[[str], object]:
    """Return what reads a text as a date or a time; it raises one of ``UNREADABLE``."""
    pattern = formats.pattern(kind)
    if pattern is not None:
        return partial(_by_pattern, pattern=pattern, kind=kind)
    if pt.is_date32(kind):
        return _day
    return partial(_moment, has_zone=kind.tz is not None)


def _day(text: str) -> date:
    match = _DAY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return date(*(int(part or 1) for part in match.groups()))


def _moment(text: str, *, has_zone: bool) -> datetime:
    plain = _PLAIN.fullmatch(text) is not None
    moment = datetime.fromisoformat(text) if plain else _odd_moment(text)
    return _of_kind(moment, has_zone=has_zone)


def _odd_moment(text: str) -> datetime:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    year, month, day, hour, minute, second, fraction, rest = match.groups()
    zone = (rest or "").strip()
    if zone and hour is None:
        raise ValueError(text)
    days = [int(part or 1) for part in (year, month, day)]
    micros = int((fraction or "").ljust(6, "0")[:6])
    clock = time(int(hour or 0), int(minute or 0), int(second or 0), micros)
    return datetime.combine(date(*days), clock, _zone(zone) if zone else None)


@lru_cache
def _zone(text: str) -> timezone | ZoneInfo:
    if text in {"Z", "UTC", "GMT", "UT"}:
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset is None:
        return ZoneInfo(text)
    sign, hours, minutes = offset.groups()
    length = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if length > _LONGEST_OFFSET:
        raise ValueError(text)
    return timezone(-length if sign == "-" else length)


def _of_kind(moment: datetime, *, has_zone: bool) -> datetime:
    if has_zone:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if moment.tzinfo:
        # Its zone would be lost, and with it which moment it was.
        raise ValueError(moment)
    return moment


def _by_pattern(text: str, *, pattern: Pattern, kind: pa.DataType) -> object:
    moment = pattern.read(text)
    if pt.is_date32(kind):
        return moment.date()
    return _of_kind(moment, has_zone=kind.tz is not None)
