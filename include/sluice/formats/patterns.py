"""Spark's patterns of dates and times, ``dd/MM/yyyy HH:mm``, as regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_FULL_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_MONTHS = [name[:3] for name in _FULL_MONTHS]
# A run of one letter, quoted text, a bracket or any other character.
_PART = re.compile(r"(?P<run>([A-Za-z])\2*)|'(?P<text>(?:[^']|'')*)'|(?P<other>.)")
_NUMBERS = {
    "yyyy": r"(?P<year>\d{4})",
    "yy": r"(?P<short_year>\d\d)",
    "y": r"(?P<year>\d{1,4})",
    "MM": r"(?P<month>\d\d)",
    "M": r"(?P<month>\d{1,2})",
    "dd": r"(?P<day>\d\d)",
    "d": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d\d)",
    "H": r"(?P<hour>\d{1,2})",
    "mm": r"(?P<minute>\d\d)",
    "m": r"(?P<minute>\d{1,2})",
    "ss": r"(?P<second>\d\d)",
    "s": r"(?P<second>\d{1,2})",
    **{"S" * most: rf"(?P<fraction>\d{{1,{most}}})" for most in range(1, 10)},
}
_WORDS = {
    "hh": r"(?P<half_hour>\d\d)",
    "h": r"(?P<half_hour>\d{1,2})",
    "a": r"(?P<half>(?i:am|pm))",
    "MMM": rf"(?P<month_name>(?i:{'|'.join(_MONTHS)}))",
    "MMMM": rf"(?P<month_name>(?i:{'|'.join(_FULL_MONTHS)}))",
    "X": r"(?P<zone>Z|[+-]\d\d(?:\d\d)?)",
    "XX": r"(?P<zone>Z|[+-]\d{4})",
    "XXX": r"(?P<zone>Z|[+-]\d\d:\d\d)",
    "x": r"(?P<zone>[+-]\d\d(?:\d\d)?)",
    "xx": r"(?P<zone>[+-]\d{4})",
    "xxx": r"(?P<zone>[+-]\d\d:\d\d)",
    "Z": r"(?P<zone>[+-]\d{4})",
}


@dataclass(frozen=True)
class Pattern:
    r"""One pattern, ready to read text.

    - ``expression``: what text of it matches as a whole;
    - ``iso``: the replacement that makes ISO 8601 of a match, with ``\1`` and so on;
      None where only ``read`` does it.
    """

    expression: re.Pattern[str]
    iso: str | None

    def read(self, text: str) -> datetime:
        """Return the moment that ``text`` means; without a zone it has none.

        Raises:
            ValueError: it is not of the pattern, or no such moment exists.
        """
        match = self.expression.fullmatch(text)
        if match is None:
            message = "another pattern"
            raise ValueError(message)
        found = {name: value for name, value in match.groupdict().items() if value}
        year = int(found.get("year", 1970))
        if "short_year" in found:
            year = 2000 + int(found["short_year"])
        return datetime(
            year,
            _month(found),
            int(found.get("day", 1)),
            _hour(found),
            int(found.get("minute", 0)),
            int(found.get("second", 0)),
            int(found.get("fraction", "0").ljust(6, "0")[:6]),
            _zone(found.get("zone")),
        )


def checked_pattern(text: str) -> str:
    """Return ``text`` as it is.

    Raises:
        ValueError: it has a letter that is not built.
    """
    read_pattern(text)
    return text


@lru_cache
def read_pattern(text: str) -> Pattern:
    """Translate a pattern.

    Raises:
        ValueError: it has a letter that is not built.
    """
    parts = list(_translate(text))
    whole = "".join(parts)
    try:
        expression = re.compile(whole, re.ASCII | re.DOTALL)
    except re.error:
        message = "a pattern that names each field once, with whole brackets"
        raise ValueError(message) from None
    return Pattern(expression, _iso(parts, expression))


def _translate(text: str) -> Iterator[str]:
    for match in _PART.finditer(text):
        run, quoted, other = match["run"], match["text"], match["other"]
        if run is not None:
            yield _field(run)
        elif quoted is not None:
            yield re.escape(quoted.replace("''", "'") or "'")
        elif other in "[]":
            yield "(?:" if other == "[" else ")?"
        else:
            yield _literal(other)


def _field(run: str) -> str:
    if run not in _NUMBERS and run not in _WORDS:
        raise ValueError(
            f"a pattern of y, M, d, H, h, a, m, s, S, X, x and Z; {run!r} is not built"
        )
    return _NUMBERS.get(run) or _WORDS[run]


def _literal(character: str) -> str:
    if character in "{}#'":
        raise ValueError(f"a pattern without {character!r}")
    return re.escape(character)


def _iso(parts: list[str], expression: re.Pattern[str]) -> str | None:
    """Return the ISO 8601 text of a match, if the parts are whole numbers of it."""
    groups = expression.groupindex
    numbers = [part for part in parts if part.startswith("(?P<")]
    fixed = all(re.search(r"\\d\\d\)|\\d\{4\}\)|fraction", part) for part in numbers)
    if not fixed or ")?" in parts or not {"year", "month", "day"} <= set(groups):
        return None
    if set(groups) & {"short_year", "half_hour", "half", "month_name", "zone"}:
        return None
    time = [groups.get(name) for name in ("hour", "minute", "second", "fraction")]
    day = rf"\{groups['year']}-\{groups['month']}-\{groups['day']}"
    if time == [None] * 4:
        return day
    hour, minute, second, fraction = time
    if hour is None or minute is None or (second is None and fraction is not None):
        return None
    clock = rf"\{hour}:\{minute}:" + (rf"\{second}" if second else "00")
    return f"{day} {clock}" + (rf".\{fraction}" if fraction else "")


def _month(found: dict[str, str]) -> int:
    if "month_name" in found:
        return _MONTHS.index(found["month_name"][:3].title()) + 1
    return int(found.get("month", 1))


def _hour(found: dict[str, str]) -> int:
    if "half_hour" not in found:
        return int(found.get("hour", 0))
    hour = int(found["half_hour"])
    if not 1 <= hour <= 12:  # noqa: PLR2004 - a clock's
        message = "no hour of a clock"
        raise ValueError(message)
    return hour % 12 + (12 if found.get("half", "am").lower() == "pm" else 0)


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
