"""One option, and how the values of options are spelled: sizes, durations, flags.

A parser's ``ValueError`` says what was expected; the table of options adds the name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from sluice.errors import Condition, UsageError
from sluice.times import parse_duration, parse_utc

_BYTES = re.compile(r"(\d+)\s*([kmgt]?)b?", re.IGNORECASE | re.ASCII)
_BYTE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# What systems count bytes with ends at 2^63, and some add to what was given.
_MOST_BYTES, _MOST_DIGITS = (1 << 63) - 1, 19
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, kw_only=True)
class Option:
    """One row of the table of options.

    - ``name``: as Auto Loader's documentation spells it;
    - ``aliases``: other names of the same option;
    - ``default``: the text that means the same as leaving it out, None where none does;
    - ``otherwise``: what leaving it out means where no text does;
    - ``meaning``: for the reader of docs/options.md, in Markdown;
    - ``parse``: turns the text of a value into the value;
    - ``field``: where the value is kept, None where it is checked and not needed;
    - ``only``: the one value that is accepted, in lower case, of an option that Auto
      Loader has and this version does not build;
    - ``instead``: what to do where another value is refused.
    """

    name: str
    aliases: tuple[str, ...] = ()
    default: str | None = None
    otherwise: str = ""
    meaning: str
    parse: Callable[[str], Any] = str
    field: str | None = None
    only: str | None = None
    instead: str = "leave it out"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that the option may be given by."""
        return (self.name, *self.aliases)


def parse_bytes(text: str) -> int:
    """Parse ``10g``, ``512 MB`` or a plain number of bytes, from 1 to 2^63 - 1.

    Raises:
        ValueError: anything else.
    """
    match = _BYTES.fullmatch(text.strip())
    if not match or not match[1].strip("0"):
        message = "a number of bytes such as 1048576, 512m or 10g"
        raise ValueError(message)
    digits = match[1].lstrip("0")
    number = int(digits[:_MOST_DIGITS]) * _BYTE_UNITS[match[2].lower()]
    if number > _MOST_BYTES or digits[_MOST_DIGITS:]:
        message = f"at most {_MOST_BYTES} bytes"
        raise ValueError(message)
    return number


def parse_interval(text: str) -> timedelta:
    """Parse a duration that is more than nothing.

    Raises:
        ValueError: anything else.
    """
    interval = parse_duration(text)
    if not interval:
        message = "more than nothing, such as '30s'"
        raise ValueError(message)
    return interval


def parse_moment(text: str) -> datetime:
    """Parse an ISO 8601 date or time; one without an offset is UTC.

    Raises:
        ValueError: anything else.
    """
    try:
        return parse_utc(text.strip())
    except ValueError:
        message = "an ISO 8601 time such as 2026-01-31T12:00:00"
        raise ValueError(message) from None


def parse_name(text: str) -> str:
    """Parse the name of a column, which has a character at least.

    Raises:
        ValueError: there is none.
    """
    if not text.strip():
        message = "the name of a column"
        raise ValueError(message)
    return text.strip()


def parse_flag(text: str) -> bool:
    """Parse ``true`` or ``false``, in any case.

    Raises:
        ValueError: anything else.
    """
    if text.lower() not in {"true", "false"}:
        message = "'true' or 'false'"
        raise ValueError(message)
    return text.lower() == "true"


def parse_count(text: str) -> int:
    """Parse a whole number from 1 on.

    Raises:
        ValueError: anything else.
    """
    if not text.strip().isdecimal() or int(text) < 1:
        message = "a whole number from 1 on"
        raise ValueError(message)
    return int(text)


def word_of(words: type[_Word]) -> Callable[[str], _Word]:
    """Return the parser of an option that takes one of ``words``, in any case."""

    def parse(text: str) -> _Word:
        for word in words:
            if word.lower() == text.strip().lower():
                return word
        raise ValueError(str([word.value for word in words]))

    return parse


def invalid_value_error(subject: str, got: str, expected: str) -> UsageError:
    """Return the error that an option has a value it cannot have."""
    return UsageError(
        Condition.OPTION_INVALID,
        f"cloudFiles: {subject} has the value {got!r}; expected {expected}",
    )
