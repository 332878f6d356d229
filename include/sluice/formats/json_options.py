"""The options of the json format: Spark's names, and what their values mean."""

from __future__ import annotations

from sluice.formats.encodings import ENCODING
from sluice.formats.moments import TIME_FORMATS
from sluice.formats.names import CASE
from sluice.formats.streams import CONTENT_LIMIT
from sluice.values import Option, parse_flag, parse_name


def _parse_separator(text: str) -> bytes:
    if not text:
        message = "at least one character"
        raise ValueError(message)
    return text.encode()


_READING = (
    Option(
        name="multiLine",
        default="false",
        meaning="false: a line is one object, or an array of objects, each of which "
        "is a row; true: so is a file",
        parse=parse_flag,
        field="multi_line",
    ),
    ENCODING,
    Option(
        name="lineSep",
        meaning=r"what ends a line. Files with another one than `\n` are read by one "
        r"task each. With `multiLine` a file has no lines, and it changes nothing",
        otherwise=r"`\n`, `\r\n`, `\r`",
        parse=_parse_separator,
        field="line_sep",
    ),
    *TIME_FORMATS,
    Option(
        name="singleVariantColumn",
        meaning="the name of the one column: a variant, which holds a whole record. "
        "Integers and decimals of up to 38 digits are exact. A record that no variant "
        "can hold is corrupt: a key twice in an object, `NaN`, a number beyond a "
        "double, more than 16 MB",
        parse=parse_name,
        field="variant_column",
    ),
)
_INFERENCE = (
    Option(
        name="primitivesAsString",
        default="false",
        meaning="with `inferColumnTypes`: numbers and booleans are inferred as strings",
        parse=parse_flag,
        field="primitives_as_string",
    ),
    Option(
        name="prefersDecimal",
        default="false",
        meaning="with `inferColumnTypes`: numbers with a point or of more than 64 "
        "bits, and strings of numbers, are inferred as decimals of at most 38 digits",
        parse=parse_flag,
        field="prefers_decimal",
    ),
    Option(
        name="inferTimestamp",
        default="false",
        meaning="with `inferColumnTypes`: strings that `timestampFormat` reads are "
        "inferred as timestamps",
        parse=parse_flag,
        field="infers_timestamp",
    ),
    Option(
        name="dropFieldIfAllNull",
        default="false",
        meaning="a field that in the sample holds nothing but nulls, empty arrays "
        "and objects of them gets no column; what it holds later is rescued",
        parse=parse_flag,
        field="drops_null_fields",
    ),
)
_LENIENCIES = tuple(
    Option(name=name, default=default, meaning=meaning, parse=parse_flag, field=field)
    for name, default, meaning, field in (
        (
            "allowSingleQuotes",
            "true",
            "strings and names may be in single quotes",
            "single_quotes",
        ),
        (
            "allowUnquotedFieldNames",
            "false",
            "names may be without quotes",
            "unquoted_names",
        ),
        (
            "allowNonNumericNumbers",
            "true",
            "`NaN`, `Infinity`, `+Infinity`, `-Infinity`, `+INF` and `-INF` are "
            "numbers of double and float, in quotes or not. Other spellings (`Inf`, "
            "`-NaN`) are rescued",
            "not_finite",
        ),
        (
            "allowComments",
            "false",
            "`/* … */` and `// …` may be between tokens; a line of nothing else is no "
            "record",
            "comments",
        ),
        (
            "allowUnquotedControlChars",
            "false",
            "strings may hold control characters as they are",
            "control_chars",
        ),
        (
            "allowNumericLeadingZeros",
            "false",
            "numbers may begin with zeros",
            "leading_zeros",
        ),
        (
            "allowBackslashEscapingAnyCharacter",
            "false",
            "a backslash may be before any character",
            "any_escape",
        ),
    )
)
_REFUSED = (
    Option(
        name="samplingRatio",
        default="1.0",
        meaning="the part of the sample that is looked at",
        instead="leave it out: the sample is bounded by itself",
        only="1.0",
    ),
    Option(
        name="maxNestingDepth",
        meaning="how deep values may be nested",
        instead="set `sluice.maxContentBytes`, which bounds a record",
        only="",
    ),
    Option(
        name="maxNumLen",
        meaning="the most characters of a number",
        instead="set `sluice.maxContentBytes`, which bounds a record",
        only="",
    ),
    Option(
        name="maxStringLen",
        meaning="the most characters of a string",
        instead="set `sluice.maxContentBytes`, which bounds a record",
        only="",
    ),
    Option(
        name="useUnsafeRow",
        default="false",
        meaning="how Spark holds rows in memory",
        instead="leave it out: rows come to Spark as Arrow",
        only="false",
    ),
)
OPTIONS = (*_READING, CASE, CONTENT_LIMIT, *_INFERENCE, *_LENIENCIES, *_REFUSED)
