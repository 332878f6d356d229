"""JSON as Spark's reader takes it: what its options allow beyond the standard.

No library has these leniencies one by one: JSON5 readers take all of them at once, none
takes leading zeros, and they are slow or lose the text of numbers. So a record that the
strict parser refuses is cut into tokens here. The tokens are written as strict JSON,
which that parser has to accept, and each value keeps the text that the file has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial

import msgspec

_STRING = msgspec.json.Decoder(str)
_VALUE = msgspec.json.Decoder(msgspec.Raw)
_WORD = rb"[+-]?(?:NaN|Inf(?:inity)?|INF)\b"
_OF_NAME = rb"[\w$@#*+\-\x80-\xff]"
# Where no name begins at the first such byte, none does at those behind it.
_NAME = rb"(?<!%b)%b++(?=(?:%%b)*+:)" % (_OF_NAME, _OF_NAME)
_SPACE = rb"[ \t\r\n]++"
_LINE_COMMENT = rb"//[^\r\n]*+"
_COMMENT = rb"/\*.*?\*/|" + _LINE_COMMENT
_BEGINNINGS = (b'"', b"'", b"/")
_DOUBLE = rb'"(?:[^"\\]|\\.)*+"'
_SINGLE = rb"'(?:[^'\\]|\\.)*+'"
_NEVER = rb"(?!)"
_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ODD = re.compile(
    rb"(?P<pair>%b%b)|(?P<lone>%b|%b)|\\(?P<escape>.)|(?P<control>[\x00-\x1f])|\""
    % (_HIGH, _LOW, _HIGH, _LOW),
    re.DOTALL,
)
_LEADING_ZEROS = re.compile(rb"(-?)0+(\d.*)", re.DOTALL)
_ESCAPES = b'"\\/bfnrtu'
# Python's Decimal takes its exponent for more than a decimal column can hold, so that
# a sample infers a double.
_SOME_NUMBER = b"1e-40"
# What a decoder may raise on a value: a number out of range, half a surrogate pair,
# bytes that are not UTF-8, an array nested too deep.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class Leniency:
    """What a reader takes that is no JSON, each by Spark's option of that name.

    ``not_finite`` are the words ``NaN`` and ``Infinity``, in all their spellings.
    """

    single_quotes: bool = True
    unquoted_names: bool = False
    not_finite: bool = True
    comments: bool = False
    control_chars: bool = False
    leading_zeros: bool = False
    any_escape: bool = False


@dataclass(frozen=True)
class Parts:
    """An object or an array, cut where its members or elements end.

    - ``texts``: of each the name, empty in an array, and the value, as they stand;
    - ``plain``: all of it as strict JSON if it is well-formed, good for its types;
    - ``rest``: what is behind it; None where it has no end.
    """

    texts: list[tuple[bytes, bytes]]
    plain: bytes
    rest: bytes | None


SPARKS = Leniency()


def cut(text: bytes, leniency: Leniency) -> Parts:
    """Cut the object or the array that ``text`` begins with; it may be malformed."""
    cutter = _Cutter(text)
    plain = []
    for token in _scan(text, leniency):
        plain.append(_written(token, leniency, exact=False))
        if token.lastgroup != "space" and cutter.take(token):
            rest = _passed(text[token.end() :], leniency)
            return Parts(cutter.texts, b"".join(plain), rest)
    return Parts(cutter.texts, b"".join(plain), None)


class _Cutter:
    """The members or elements among the tokens of one object or array."""

    def __init__(self, text: bytes) -> None:
        self.texts: list[tuple[bytes, bytes]] = []
        self._text = text
        self._depth = 0
        self._name = b""
        self._start: int | None = None
        self._end = 0

    def take(self, token: re.Match[bytes]) -> bool:
        """Take the next token, and return True if it is the last one."""
        kind, mark = token.lastgroup, token[0]
        self._depth -= kind == "closing"
        if self._depth <= 0 and kind != "opening":
            if self.texts or self._start is not None:
                self._end_part()
            return True
        if self._depth == 1 and mark == b":":
            self._name, self._start = self._part(), None
        elif self._depth == 1 and mark == b",":
            self._end_part()
        elif self._depth:
            self._start = token.start() if self._start is None else self._start
            self._end = token.end()
        self._depth += kind == "opening"
        return False

    def _end_part(self) -> None:
        self.texts.append((self._name, self._part()))
        self._name, self._start = b"", None

    def _part(self) -> bytes:
        return b"" if self._start is None else self._text[self._start : self._end]


def read_members(
    text: bytes, leniency: Leniency
) -> tuple[list[tuple[str, bytes]], bytes] | None:
    """Return names and values of an object as they stand, and what is behind it.

    None stands for what is no object.
    """
    parts = cut(text, leniency)
    if parts.rest is None or not _is_whole(parts.plain, b"{"):
        return None
    try:
        members = [
            (decode_string(name, leniency), value) for name, value in parts.texts
        ]
    except UNDECODABLE:
        return None
    return members, parts.rest


def read_elements(text: bytes, leniency: Leniency) -> list[bytes]:
    """Return the elements of an array as they stand.

    Raises:
        msgspec.DecodeError: it is no array.
    """
    parts = cut(text, leniency)
    if parts.rest != b"" or not _is_whole(parts.plain, b"["):
        message = "no array"
        raise msgspec.DecodeError(message)
    return [value for _, value in parts.texts]


def _is_whole(plain: bytes, opening: bytes) -> bool:
    try:
        return bytes(_VALUE.decode(plain)).startswith(opening)
    except UNDECODABLE:
        return False


def decode_string(text: bytes, leniency: Leniency) -> str:
    """Return the string that a token in quotes or a bare name stands for.

    Raises:
        msgspec.DecodeError: it is malformed, or holds half a surrogate pair.
        UnicodeDecodeError: it is not UTF-8.
    """
    token = _tokens(leniency).fullmatch(text)
    if token is None or token.lastgroup != "string":
        return text.decode()
    return _STRING.decode(_written(token, leniency, exact=True))


def strict_json(text: bytes, leniency: Leniency) -> bytes:
    """Return a value as strict JSON; a number that JSON does not have is a string.

    Raises:
        msgspec.DecodeError: JSON cannot hold it, such as half a surrogate pair.
        UnicodeDecodeError: it is not UTF-8.
    """
    tokens = _scan(text, leniency)
    strict = b"".join(_written(token, leniency, exact=True) for token in tokens)
    strict.decode()
    return bytes(_VALUE.decode(strict))


def sample_json(text: bytes, leniency: Leniency) -> bytes:
    """Return a record as strict JSON of the same types, for inference."""
    return cut(text, leniency).plain


def skip_comments(text: bytes, leniency: Leniency) -> bytes:
    """Return ``text`` from its first token on that is no comment."""
    return _passed(text, leniency) if text.startswith(b"/") else text


def _passed(text: bytes, leniency: Leniency) -> bytes:
    space = _space(leniency)
    match = re.compile(rb"(?:%b)*" % space, re.DOTALL).match(text)
    return text[match.end() if match else 0 :]


def _scan(text: bytes, leniency: Leniency) -> Iterator[re.Match[bytes]]:
    """Yield the tokens of ``text`` in linear time.

    Where a string or a comment has no end, no later one of its kind has: an escape is
    one from wherever it is looked at. So each kind is looked for in vain but once.
    """
    position, without = 0, b""
    while position < len(text):
        for token in _tokens(leniency, without).finditer(text, position):
            yield token
            position = token.end()
            opened = _opened(token, text)
            if opened and opened not in without:
                without += opened
                break


def _opened(token: re.Match[bytes], text: bytes) -> bytes:
    """Return what a token begins that has no end: a quote, ``/`` for a comment."""
    if token.lastgroup != "other" or token[0] not in _BEGINNINGS:
        return b""
    is_comment = token[0] == b"/"
    return (
        b"" if is_comment and text[token.end() : token.end() + 1] != b"*" else token[0]
    )


def _space(leniency: Leniency, without: bytes = b"") -> bytes:
    if not leniency.comments:
        return _SPACE
    return rb"%b|%b" % (_SPACE, _LINE_COMMENT if b"/" in without else _COMMENT)


@lru_cache
def _tokens(leniency: Leniency, without: bytes = b"") -> re.Pattern[bytes]:
    space = _space(leniency, without)
    strings = [_DOUBLE, *([_SINGLE] if leniency.single_quotes else [])]
    kinds = {
        b"space": space,
        b"string": b"|".join(each for each in strings if each[:1] not in without)
        or _NEVER,
        b"name": _NAME % space if leniency.unquoted_names else _NEVER,
        b"opening": rb"[\[{]",
        b"closing": rb"[\]}]",
        b"word": _WORD if leniency.not_finite else _NEVER,
        b"number": rb"-?\d[\w.+-]*",
        b"other": rb"\w+|.",
    }
    groups = (b"(?P<%b>%b)" % each for each in kinds.items())
    return re.compile(b"|".join(groups), re.DOTALL)


def _written(token: re.Match[bytes], leniency: Leniency, *, exact: bool) -> bytes:
    """Return a token as strict JSON has it; what is wrong with it stays wrong.

    Where it need not be ``exact`` it gets the right type, and half a surrogate pair is
    replaced.
    """
    kind, text = token.lastgroup, token[0]
    if kind == "string":
        mend = partial(_mended, leniency=leniency, exact=exact)
        return b'"%b"' % _ODD.sub(mend, text[1:-1])
    if kind == "name":
        return b'"%b"' % text
    if kind == "word":
        return b'"%b"' % text if exact else _SOME_NUMBER
    zeros = leniency.leading_zeros and _LEADING_ZEROS.fullmatch(text)
    if kind == "number" and zeros:
        return b'"%b"' % text if exact else b"%b%b" % zeros.groups()
    return b" " if kind == "space" else text


def _mended(odd: re.Match[bytes], *, leniency: Leniency, exact: bool) -> bytes:
    text, kind = odd[0], odd.lastgroup
    if kind == "lone":
        return text if exact else rb"\ufffd"
    if kind == "escape" and odd["escape"] not in _ESCAPES:
        quote = odd["escape"] == b"'" and leniency.single_quotes
        text = odd["escape"] if quote or leniency.any_escape else text
    if text < b" " and leniency.control_chars:
        return rb"\u%04x" % text[0]
    return rb"\"" if text == b'"' else text
