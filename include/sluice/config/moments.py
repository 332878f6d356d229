"""Patterns of event times and names of time zones: what can only be a mistake."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# Fields that Spark reads, and how often their letter may stand: 'E' it only writes.
_MOST = "G4 y6 M4 L4 d2 D3 a1 h2 K2 k2 H2 m2 s2 S9 V2 z4 O4 X5 x5 Z5"
_LETTERS = {each[0]: int(each[1]) for each in _MOST.split()}
_HOURS = "HkhK"
_QUOTED = re.compile(r"'[^']*'")
_OPTIONAL = re.compile(r"\[[^\[\]]*\]")
_RUN = re.compile(r"([A-Za-z])\1*")
_OFFSET = re.compile(r"Z|(?:UTC|GMT|UT)?[+-]\d{1,2}(?::\d\d(?::\d\d)?)?")


def require_pattern(pattern: str) -> str:
    """Return a datetime pattern of Spark as it is.

    Raises:
        ValueError: Spark does not take it, or it takes one field for another, as
            ``yyyy-mm-dd`` takes minutes for months.
    """
    wrong = next(_mistakes(pattern), None)
    if wrong:
        message = f"{wrong}; a pattern is such as 'yyyy-MM-dd HH:mm:ss'"
        raise ValueError(message)
    return pattern


def require_time_zone(name: str) -> str:
    """Return the name of a time zone as it is.

    Raises:
        ValueError: there is none of that name; the message has the nearest.
    """
    if _OFFSET.fullmatch(name) or _is_zone(name):
        return name
    close = get_close_matches(name, available_timezones(), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "such as 'Europe/Berlin'"
    message = f"expected a time zone, {hint}"
    raise ValueError(message)


def names_zone(pattern: str) -> bool:
    """Return True if what ``pattern`` reads has a zone of its own."""
    return any(run[0] in "VzOXxZ" for run in _runs(pattern))


def _mistakes(pattern: str) -> Iterator[str]:
    runs = list(_runs(pattern))
    fields = [run[0] for run in runs]
    for run in runs:
        if run[0] == "Y":
            yield f"{run!r} is a year of weeks, years are 'yyyy'"
        if len(run) > _LETTERS.get(run[0], 0):
            yield f"{run!r} is no field that Spark reads"
    if any(names_zone(part) for part in _OPTIONAL.findall(_QUOTED.sub(" ", pattern))):
        yield "a zone in brackets may be missing; give two formats, one without it"
    yield from _confused(fields)
    if "y" not in fields:
        yield "the year is missing, 'yyyy'"


def _confused(fields: list[str]) -> Iterator[str]:
    """Yield each field that stands where another is meant."""
    hour = next((at for at, each in enumerate(fields) if each in _HOURS), len(fields))
    if "m" in fields[:hour]:
        yield "'m' is minutes and stands before any hour, months are 'M'"
    if any(before in _HOURS for before in _before("M", fields)):
        yield "'M' is months and stands behind the hour, minutes are 'm'"
    if "S" in fields and "s" not in fields:
        yield "'S' is a fraction of a second and no second is there, seconds are 's'"
    if "D" in fields and {"M", "L", "d"} & set(fields):
        yield "'D' is the day of the year, days of a month are 'd'"
    if {"h", "K"} & set(fields) and "a" not in fields:
        yield "'h' counts to twelve and needs 'a', hours of a day are 'H'"


def _before(letter: str, fields: list[str]) -> Iterator[str]:
    return (before for before, field in pairwise(fields) if field == letter)


def _runs(pattern: str) -> Iterator[str]:
    return (match[0] for match in _RUN.finditer(_QUOTED.sub(" ", pattern)))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
