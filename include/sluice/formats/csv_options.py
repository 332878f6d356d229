"""The options of the csv format: Spark's names, and what their values mean."""

from __future__ import annotations

from sluice.formats.csv_tokens import NO_CHARACTER, OddQuotes
from sluice.formats.encodings import ENCODING
from sluice.formats.moments import TIME_FORMATS
from sluice.formats.names import CASE
from sluice.formats.streams import CONTENT_LIMIT
from sluice.values import Option, parse_count, parse_flag, parse_name, word_of

_ESCAPED = {r"\t": "\t", r"\\": "\\", r"\"": '"', r"\'": "'", r"\b": "\b", r"\f": "\f"}
_LAST_ASCII = "\x7f"


def _parse_separator(text: str) -> str:
    """Return the bytes of a separator as Latin-1 text."""
    separator = _ESCAPED.get(text, text)
    if not separator or set(separator) & set("\r\n\0"):
        message = "one character or more, none of them a line end"
        raise ValueError(message)
    return separator.encode().decode("latin-1")


def _parse_mark(text: str) -> str:
    if text in {"", "\0", r"\u0000"}:
        return NO_CHARACTER
    mark = _ESCAPED.get(text, text)
    if len(mark) != 1 or mark > _LAST_ASCII or mark in "\r\n":
        message = "one ASCII character, or nothing for none"
        raise ValueError(message)
    return mark


def _parse_comment(text: str) -> str:
    return _parse_mark(text).strip(NO_CHARACTER)


def _parse_rows(text: str) -> int:
    return 0 if text.strip() == "0" else parse_count(text)


def _parse_line_end(text: str) -> str:
    if text not in {"\n", "\r\n", "\r", r"\n", r"\r\n", r"\r"}:
        message = r"'\n', '\r\n' or '\r', each of which always ends a line"
        raise ValueError(message)
    return text


OPTIONS = (
    Option(
        name="header",
        default="false",
        meaning="the first line that is neither blank nor a comment has the names of "
        "the columns, which are found **by name** in each file. Without it cells "
        "belong to columns by position; inferred, they are `_c0`, `_c1` … Where no "
        "schema is given, true is the default",
        parse=parse_flag,
        field="header",
    ),
    Option(
        name="sep",
        aliases=("delimiter",),
        default=",",
        meaning=r"what is between two cells, one character or more (`\t` is a tab). "
        r"More than one byte is slow",
        parse=_parse_separator,
        field="separator",
    ),
    Option(
        name="quote",
        default='"',
        meaning="what is around a cell that holds separators; empty: nothing is",
        parse=_parse_mark,
        field="quote",
    ),
    Option(
        name="escape",
        default="\\",
        meaning="what is before a quote within quotes. Most programs but Spark "
        'double the quote: set it to `"`',
        parse=_parse_mark,
        field="escape",
    ),
    Option(
        name="comment",
        default="",
        meaning="lines that begin with this character are passed over",
        parse=_parse_comment,
        field="comment",
    ),
    Option(
        name="nullValue",
        default="",
        meaning="text that is null, in quotes or not; an empty cell always is",
        field="null_value",
    ),
    Option(
        name="emptyValue",
        default="",
        meaning="the text of an empty cell in quotes; with the default of both it is "
        "null, as with Spark",
        field="empty_value",
    ),
    ENCODING,
    Option(
        name="multiLine",
        default="false",
        meaning="true: a cell in quotes may hold line ends. One task reads a file, "
        "all of it at once",
        parse=parse_flag,
        field="multi_line",
    ),
    Option(
        name="lineSep",
        meaning="one of these, and changes nothing: each of them always ends a record",
        otherwise=r"`\n`, `\r\n`, `\r`",
        parse=_parse_line_end,
    ),
    Option(
        name="skipRows",
        default="0",
        meaning="how many lines are passed over at the beginning of a file, blank "
        "ones and comments too",
        parse=_parse_rows,
        field="skip_rows",
    ),
    Option(
        name="ignoreLeadingWhiteSpace",
        default="false",
        meaning="cells without quotes lose the space before them",
        parse=parse_flag,
        field="trims_start",
    ),
    Option(
        name="ignoreTrailingWhiteSpace",
        default="false",
        meaning="cells without quotes lose the space behind them",
        parse=parse_flag,
        field="trims_end",
    ),
    *TIME_FORMATS,
    Option(
        name="maxColumns",
        default="20480",
        meaning="a record with more cells is corrupt",
        parse=parse_count,
        field="max_columns",
    ),
    CASE,
    CONTENT_LIMIT,
    Option(
        name="mergeSchema",
        meaning="either value: inference merges the headers of its sample",
        parse=parse_flag,
    ),
    Option(
        name="enforceSchema",
        meaning="either value: a header is always read",
        parse=parse_flag,
    ),
    Option(
        name="unescapedQuoteHandling",
        default="STOP_AT_DELIMITER",
        meaning="what becomes of a cell in which more follows a quote that seems to "
        "close it. `STOP_AT_DELIMITER`: it is text to the next separator, quotes too; "
        "`STOP_AT_CLOSING_QUOTE`: it goes on to a quote that a separator follows; "
        "`BACK_TO_DELIMITER`: separators before that quote end cells after all, not "
        "with `multiLine`; `SKIP_VALUE`: it is null; `RAISE_ERROR`: its file is bad, "
        "whatever `mode` says, where Spark's query fails",
        parse=word_of(OddQuotes),
        field="odd_quotes",
    ),
    Option(
        name="charToEscapeQuoteEscaping",
        meaning="what is before an escape within quotes",
        instead="leave it out: an escape within quotes is escaped by itself",
        only="",
    ),
    Option(
        name="nanValue",
        default="NaN",
        meaning="the text of NaN",
        instead="read the column as a string, and cast it in the query",
        only="nan",
    ),
    Option(
        name="positiveInf",
        default="Inf",
        meaning="the text of infinity",
        instead="read the column as a string, and cast it in the query",
        only="inf",
    ),
    Option(
        name="negativeInf",
        default="-Inf",
        meaning="the text of negative infinity",
        instead="read the column as a string, and cast it in the query",
        only="-inf",
    ),
    Option(
        name="maxCharsPerColumn",
        default="-1",
        meaning="the most characters of a cell",
        instead="set `sluice.maxContentBytes`, which bounds a line",
        only="-1",
    ),
    Option(
        name="preferDate",
        default="true",
        meaning="a column of dates is inferred as one",
        instead="give the schema",
        only="true",
    ),
    Option(
        name="singleVariantColumn",
        meaning="the name of the one column: a variant, an object with a field for "
        "each cell, called as its column would be. A cell is a number where a decimal "
        "of 38 digits holds it, true or false, or text, whatever other rows hold; "
        "dates and times are text. With a header the cells behind it are rescued",
        parse=parse_name,
        field="variant_column",
    ),
)
