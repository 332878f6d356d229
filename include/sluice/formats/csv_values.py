"""Text to values: whole columns by pyarrow, what it does not take cell by cell.

A cell fits its column as it does with Spark's reader; one that does not is rescued.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sluice.formats.json_dialect import PLAIN
from sluice.formats.json_values import MismatchError, converter
from sluice.formats.moments import UNREADABLE, Formats, time_reader
from sluice.formats.patterns import Pattern

_NUMBER = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)((?:[eE][+-]?\d+)?)", re.ASCII)
_FLOAT = re.compile(rf"{_NUMBER.pattern}[dDfF]?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_PLAIN_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_PLAIN_MOMENT = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?Z?)?$"
)
_NOT_FINITE = {"NaN", "-NaN", "Infinity", "-Infinity"}
# Spark's own words, which are not trimmed.
_SHORT = {"Inf", "-Inf"}
# What a converter may raise on a value that is not its own.
_DOES_NOT_FIT = (*UNREADABLE, ArithmeticError)
# Few are taken out of a column at once, for the first odd one mostly decides.
_LOOKED_AT = 1024
_Cell = Callable[[str], object]


def can_hold(kind: pa.DataType) -> bool:
    """Return True if a cell of CSV can become a value of ``kind``."""
    return any(
        is_kind(kind)
        for is_kind in (
            pt.is_string,
            pt.is_binary,
            pt.is_boolean,
            pt.is_signed_integer,
            pt.is_floating,
            pt.is_decimal,
            pt.is_date32,
            pt.is_timestamp,
        )
    )


def convert(
    texts: pa.Array, kind: pa.DataType, formats: Formats, *, rounds: bool = True
) -> tuple[pa.Array, list[int]]:
    """Convert a column of text, and return the rows whose text does not fit it.

    A decimal ``rounds`` numbers that have more digits behind the point.
    """
    if pt.is_string(kind) or pt.is_binary(kind):
        return texts.cast(kind), []
    fast, careful = _ways(kind, formats, rounds=rounds)
    found = fast(texts)
    left = pc.and_(pc.is_valid(texts), pc.is_null(found))
    rows = pc.indices_nonzero(left).to_pylist()
    if not rows:
        return found, []
    values, misfits = [], []
    for row, text in zip(rows, texts.take(pa.array(rows)).to_pylist(), strict=True):
        try:
            values.append(careful(text))
        except _DOES_NOT_FIT:
            values.append(None)
            misfits.append(row)
    if len(misfits) == len(rows):
        return found, misfits
    return pc.replace_with_mask(found, left, pa.array(values, kind)), misfits


def fits(texts: pa.Array, kind: pa.DataType, formats: Formats) -> bool:
    """Return True if every cell fits a type; it stops at the first that does not."""
    fast, careful = _ways(kind, formats, rounds=True)
    found = fast(texts)
    odd = texts.filter(pc.and_(pc.is_valid(texts), pc.is_null(found)))
    for start in range(0, len(odd), _LOOKED_AT):
        for text in odd.slice(start, _LOOKED_AT).to_pylist():
            try:
                careful(text)
            except _DOES_NOT_FIT:
                return False
    return True


def _ways(
    kind: pa.DataType, formats: Formats, *, rounds: bool
) -> tuple[Callable[[pa.Array], pa.Array], _Cell]:
    """Return what converts plain columns, null for the rest, and one cell of any."""
    if pt.is_boolean(kind):
        return _booleans, _refuse
    if pt.is_signed_integer(kind):
        digits = len(str(1 << (kind.bit_width - 1))) - 1
        careful = partial(_integer, convert=converter(kind))
        return partial(_cast, kind=kind, plain=rf"^-?[0-9]{{1,{digits}}}$"), careful
    if pt.is_floating(kind):
        plain = r"^-?[0-9]{1,30}(\.[0-9]{0,30})?$"
        return partial(_cast, kind=kind, plain=plain), partial(
            _float, convert=converter(kind)
        )
    if pt.is_decimal(kind):
        whole, after = kind.precision - kind.scale, kind.scale
        plain = rf"^-?[0-9]{{1,{max(whole, 1)}}}(\.[0-9]{{1,{max(after, 1)}}})?$"
        return partial(_cast, kind=kind, plain=plain), partial(
            _decimal, convert=converter(kind, replace(PLAIN, rounds=rounds))
        )
    return _time_ways(kind, formats)


def _time_ways(
    kind: pa.DataType, formats: Formats
) -> tuple[Callable[[pa.Array], pa.Array], _Cell]:
    careful = time_reader(kind, formats)
    pattern = formats.pattern(kind)
    if pattern is None:
        plain = _PLAIN_DATE if pt.is_date32(kind) else _PLAIN_MOMENT
        return partial(_cast_times, kind=kind, plain=plain), careful
    if pattern.iso is None or (pt.is_date32(kind) and " " in pattern.iso):
        return partial(_nothing, kind=kind), careful
    return partial(_cast_pattern, kind=kind, pattern=pattern), careful


def _nothing(texts: pa.Array, *, kind: pa.DataType) -> pa.Array:
    return pa.nulls(len(texts), kind)


def _refuse(text: str) -> object:
    raise MismatchError(text)


def _booleans(texts: pa.Array) -> pa.Array:
    lower = pc.ascii_lower(texts)
    true, false = pc.equal(lower, "true"), pc.equal(lower, "false")
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))


def _cast(texts: pa.Array, *, kind: pa.DataType, plain: str) -> pa.Array:
    """Cast a whole column, or else those of its cells that are ``plain``."""
    # pyarrow ends the process at an exponent of many digits under a decimal, and
    # rounds where it was not asked to.
    is_odd = pt.is_integer(kind) and _may_be_hexadecimal(texts)
    if not (pt.is_decimal(kind) or is_odd):
        try:
            return _finite(texts.cast(kind))
        except pa.ArrowInvalid:
            pass
    return _cast_plain(texts, kind=kind, plain=plain)


def _may_be_hexadecimal(texts: pa.Array) -> bool:
    """Return True if pyarrow may read a cell as ``0x1F``, which Spark does not."""
    content = texts.buffers()[2]
    text = content.to_pybytes() if content is not None else b""
    return b"x" in text or b"X" in text


def _finite(found: pa.Array) -> pa.Array:
    """Return numbers without those that are none, which are spelled in many ways."""
    if not pt.is_floating(found.type):
        return found
    if pc.all(pc.is_finite(found)).as_py() is not False:
        return found
    return pc.if_else(pc.is_finite(found), found, pa.scalar(None, found.type))


def _cast_plain(texts: pa.Array, *, kind: pa.DataType, plain: str) -> pa.Array:
    known = pc.match_substring_regex(texts, plain)
    try:
        return pc.if_else(known, texts, pa.scalar(None, texts.type)).cast(kind)
    except pa.ArrowInvalid:
        return pa.nulls(len(texts), kind)


def _cast_times(texts: pa.Array, *, kind: pa.DataType, plain: str) -> pa.Array:
    if not pt.is_timestamp(kind):
        return _cast(texts, kind=kind, plain=plain)
    local = pa.timestamp(kind.unit)
    without = _cast(texts, kind=local, plain=plain.replace("Z?", ""))
    if kind.tz is None or without.null_count == texts.null_count:
        return without.cast(kind)
    moments = _cast(texts, kind=kind, plain=plain.replace("Z?", "Z"))
    return pc.coalesce(without.cast(kind), moments)


def _cast_pattern(texts: pa.Array, *, kind: pa.DataType, pattern: Pattern) -> pa.Array:
    # RE2 numbers the groups as Python does, and needs none of their names.
    expression = f"^{re.sub(r'[?]P<[a-z_]+>', '', pattern.expression.pattern)}$"
    known = pc.match_substring_regex(texts, expression)
    plain = pc.if_else(known, texts, pa.scalar(None, texts.type))
    iso = pc.replace_substring_regex(plain, expression, pattern.iso)
    local = kind if pt.is_date32(kind) else pa.timestamp(kind.unit)
    try:
        return iso.cast(local).cast(kind)
    except pa.ArrowInvalid:
        return pa.nulls(len(texts), kind)


def _integer(text: str, *, convert: Callable[[bytes], object]) -> object:
    if not _INTEGER.fullmatch(text):
        raise MismatchError
    return convert(text.removeprefix("+").encode())


def _float(text: str, *, convert: Callable[[bytes], object]) -> object:
    # Java trims a number, and lets it end as its own literals do.
    stripped = text.strip("".join(map(chr, range(33))))
    word = stripped.removeprefix("+")
    if word in _NOT_FINITE or text in _SHORT:
        return float(word)
    return convert(_json_number(stripped, _FLOAT))


def _decimal(text: str, *, convert: Callable[[bytes], object]) -> object:
    return convert(_json_number(text.replace(",", ""), _NUMBER))


def _json_number(text: str, allowed: re.Pattern[str]) -> bytes:
    match = allowed.fullmatch(text)
    if match is None:
        raise MismatchError
    sign, digits, exponent = match.group(1, 2, 3)
    return f"{sign.strip('+')}{f'0{digits}'}{exponent}".encode()
