"""The options of the json format: Spark's names, and what their values mean."""

from __future__ import annotations

from sluice.formats.encodings import ENCODING
from sluice.formats.moments import TIME_FORMATS
from sluice.formats.streams import CONTENT_LIMIT
from sluice.values import Option, parse_flag


def _parse_separator(text: str) -> bytes:
    if not text:
        message = "at least one character"
        raise ValueError(message)
    return text.encode()


_READING = (
    Option(
        name="multiLine",
        default="false",
        meaning="a file is one JSON document, an object or an array of objects",
        parse=parse_flag,
        field="multi_line",
    ),
    ENCODING,
    Option(
        name="lineSep",
        meaning=r"what ends a line; where nothing is given, `\n`, `\r\n` and `\r`",
        parse=_parse_separator,
        field="line_sep",
    ),
    *TIME_FORMATS,
)
_INFERENCE = (
    Option(
        name="primitivesAsString",
        default="false",
        meaning="numbers and booleans are inferred as strings",
        parse=parse_flag,
        field="primitives_as_string",
    ),
    Option(
        name="prefersDecimal",
        default="false",
        meaning="numbers with a point are inferred as decimals where they fit one",
        parse=parse_flag,
        field="prefers_decimal",
    ),
    Option(
        name="inferTimestamp",
        default="false",
        meaning="strings that are timestamps are inferred as such",
        parse=parse_flag,
        field="infers_timestamp",
    ),
    Option(
        name="dropFieldIfAllNull",
        default="false",
        meaning="a field that holds nothing in the sample gets no column",
        parse=parse_flag,
        field="drops_null_fields",
    ),
)
_REFUSED = (
    Option(
        name="allowSingleQuotes",
        default="false",
        meaning="strings may be in single quotes",
        only="false",
    ),
    Option(
        name="allowUnquotedFieldNames",
        default="false",
        meaning="names of fields may be without quotes",
        only="false",
    ),
    Option(
        name="allowComments",
        default="false",
        meaning="comments of Java may be between tokens",
        only="false",
    ),
    Option(
        name="allowNumericLeadingZeros",
        default="false",
        meaning="numbers may begin with zeros",
        only="false",
    ),
    Option(
        name="allowBackslashEscapingAnyCharacter",
        default="false",
        meaning="a backslash may be before any character",
        only="false",
    ),
    Option(
        name="allowUnquotedControlChars",
        default="false",
        meaning="strings may hold control characters as they are",
        only="false",
    ),
    Option(
        name="allowNonNumericNumbers",
        default="true",
        meaning="NaN and Infinity are numbers",
        only="true",
    ),
    Option(name="singleVariantColumn", meaning="a record is one variant", only=""),
    Option(
        name="samplingRatio",
        default="1.0",
        meaning="the part of the sample that is looked at",
        only="1.0",
    ),
    Option(name="maxNestingDepth", meaning="how deep values may be nested", only=""),
    Option(name="maxNumLen", meaning="the most characters of a number", only=""),
    Option(name="maxStringLen", meaning="the most characters of a string", only=""),
    Option(
        name="useUnsafeRow",
        default="false",
        meaning="how Spark holds rows in memory",
        only="false",
    ),
)
OPTIONS = (*_READING, CONTENT_LIMIT, *_INFERENCE, *_REFUSED)
