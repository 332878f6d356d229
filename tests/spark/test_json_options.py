"""The options of JSON held against Spark's own reader."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from sluice.formats.base import FileRange, Format
from sluice.options.options import parse_options

pytestmark = pytest.mark.needs_java

QUICKLY = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def written(fields: dict[str, str]) -> str:
    """Return the JSON of an object of values that are JSON."""
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"


SCHEMA = (
    "i int, m decimal(9,3), day date, t timestamp, n timestamp_ntz, "
    "o struct<day: date, t: timestamp>, l array<timestamp>"
)
# JSON of values that are of some type, or nearly. Not taken, and so not among them, are
# days since 1970 in a string, times without a day, and years that Python does not have.
TEXTS = [
    *("2020-01-02", "2020-1-2", "2020", "2020-1", "2020-02-30", " 2020-01-02 ", ""),
    *("2020-01-02T03:04:05", "2020-01-02 03:04:05.1234567", "2020-01-02T03:04:05Z"),
    *("2020-01-02T03:04:05+01:00", "2020-01-02T03:04:05+19:00", "2020-01-02Z"),
    *("2020-01-02 03:04", "2020-01-02T", "2020-01-02T03:04:05 Europe/Paris", "soon"),
    *("02/01/2020", "2/1/20 3:04 pm", "0001-01-01", "9999-12-31T23:59:59", "é"),
]
VALUES = st.one_of(
    st.sampled_from(TEXTS).map(json.dumps),
    st.sampled_from(
        ["0", "-1", "1577934245", "1.5", "1e3", "1.0005", "-0", "99999999"]
    ),
    st.sampled_from(["true", "null", '"+1.5"', '".5"', "[]", '"1e3"', "9" * 25]),
)
PLACES = st.sampled_from(["i", "m", "day", "t", "n"])
OBJECTS = st.dictionaries(
    PLACES | st.sampled_from(["o", "l"]),
    st.one_of(
        VALUES,
        st.dictionaries(st.sampled_from(["day", "t"]), VALUES).map(written),
    ),
).map(written)
LINES = st.lists(
    OBJECTS | st.lists(OBJECTS, max_size=3).map(lambda each: f" [{', '.join(each)}] "),
    max_size=20,
)
PATTERNS = {
    "dateFormat": st.sampled_from(["yyyy-M-d", "dd/MM/yyyy", "yyyy"]),
    "timestampFormat": st.sampled_from(
        ["yyyy-MM-dd'T'HH:mm:ss[XXX]", "d/M/yy h:mm a", "yyyy-M-d"]
    ),
    "timestampNTZFormat": st.sampled_from(["yyyy-MM-dd'T'HH:mm:ss", "yyyy-M-d"]),
}
OPTIONS = st.fixed_dictionaries({}, optional=PATTERNS)
# Spark asks for a separator with any encoding but UTF-8.
LAYOUTS = st.fixed_dictionaries(
    {"lineSep": st.sampled_from(["\n", "\r\n", "||", "é"])},
    optional={
        "encoding": st.sampled_from(["UTF-16LE", "UTF-16BE", "ISO-8859-1", "UTF-8"])
    },
) | st.sampled_from([{}, {"multiLine": "true"}])


def json_format(options: dict[str, str]) -> Format:
    """Return the format of a stream with these options."""
    given = {"path": "/", "cloudFiles.format": "json", "cloudFiles.schemaLocation": "/"}
    return parse_options(given | options).format


def ours(content: bytes, columns: StructType, options: dict[str, str]) -> list[dict]:
    """Return the rows that the format reads."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    part = FileRange("/a", len(content), moment, io.BytesIO(content), 0, len(content))
    schema = to_arrow_schema(columns, timezone="UTC")
    return [
        row
        for block in json_format(options).parse(part, schema)
        for row in block.columns.to_pylist()
    ]


@given(LINES, OPTIONS, LAYOUTS)
@QUICKLY
def test_rows_are_those_of_sparks_reader(
    spark: SparkSession,
    lines: list[str],
    options: dict[str, str],
    layout: dict[str, str],
) -> None:
    """Dates, times and seconds since 1970, arrays in a line, line ends, encodings."""
    columns = StructType.fromDDL(SCHEMA)
    if "multiLine" in layout:
        lines = lines[:1]
    text = layout.get("lineSep", "\n").join(lines)
    content = text.encode(layout.get("encoding", "UTF-8"))
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_bytes(content)
        reader = spark.read.schema(columns).options(**options, **layout)
        expected = reader.json(str(path)).toArrow().to_pylist()

    assert ours(content, columns, options | layout) == expected


SAMPLES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.sampled_from(
            [None, True, 1, -12, 2**62, "x", "12", "-1.50", "2020-01-02", "02/01/2020"]
        )
        | st.sampled_from([1.5, 0.05, 123.456, 2.0])
        | st.sampled_from(["2020-01-02T03:04:05", "2020-01-02 03:04:05+01:00", "+.5"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from("xy"), inner, min_size=1, max_size=2)
        ),
        max_leaves=3,
    ),
    max_size=3,
)
INFERENCE = st.fixed_dictionaries(
    {},
    optional={
        "primitivesAsString": st.just("true"),
        "prefersDecimal": st.just("true"),
        "inferTimestamp": st.just("true"),
        "dropFieldIfAllNull": st.just("true"),
        "timestampFormat": st.just("dd/MM/yyyy"),
    },
)


@given(st.lists(SAMPLES | st.lists(SAMPLES, max_size=2), max_size=5), INFERENCE)
@QUICKLY
@example([{"a": [1, "2.5"]}, {"a": [None], "b": {"x": []}}], {"prefersDecimal": "true"})
def test_schema_is_the_one_that_spark_infers(
    spark: SparkSession, records: list[object], options: dict[str, str]
) -> None:
    """For each option of inference and all of them together."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_text("\n".join(map(json.dumps, records)))
        expected = spark.read.options(**options).json(str(path)).schema
        found = json_format(options).infer([str(path)], max_bytes=1 << 20, typed=True)

    assert from_arrow_schema(found).simpleString() == expected.simpleString()


LENIENCIES = [
    *("allowSingleQuotes", "allowUnquotedFieldNames", "allowNonNumericNumbers"),
    *("allowComments", "allowUnquotedControlChars", "allowNumericLeadingZeros"),
    "allowBackslashEscapingAnyCharacter",
]
GAPS = st.sampled_from(["", "", " ", "/* } */", '/* " */'])
NAMES = st.sampled_from(['"s"', "'s'", "s", '"d"', "'d'", "d", '"m"', "m"])
LENIENT_TEXTS = ['"x"', "'it\\'s'", '"it\\\'s"', "'\"'", '"\\q"', '"a\tb"', "'NaN'"]
LENIENT_NUMBERS = ["007", "-00.50", "1.5", "NaN", "-INF", "+Infinity", "0", '"+INF"']
LENIENT_VALUES = st.sampled_from(
    [*LENIENT_TEXTS, *LENIENT_NUMBERS, "{'k': 'v'}", '{"k" : NaN}', '["a"]', "x", ""]
)
MEMBERS = st.tuples(GAPS, NAMES, GAPS, st.just(":"), GAPS, LENIENT_VALUES, GAPS)
# Of a field that comes twice Spark takes the value before where the last does not fit.
DISTINCT = st.lists(MEMBERS, max_size=3, unique_by=lambda each: each[1].strip("'\""))
LENIENT_LINES = st.tuples(
    DISTINCT.map(lambda members: ",".join(map("".join, members))),
    st.sampled_from(["", "", " // end", "}", ";", '{"d": 1}', "/* */"]),
).map(lambda each: f"{{{each[0]}}}{each[1]}")


@given(
    st.lists(LENIENT_LINES, min_size=10, max_size=40),
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(["true", "false"]) for name in LENIENCIES}
    ),
)
@QUICKLY
def test_leniencies_are_those_of_sparks_reader(
    spark: SparkSession, lines: list[str], options: dict[str, str]
) -> None:
    """Each by its own option, and with Spark's defaults."""
    columns = StructType.fromDDL("s string, d double, m map<string, string>")
    content = "\n".join(lines).encode()
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_bytes(content)
        reader = spark.read.schema(columns).options(**options)
        expected = reader.json(str(path)).toArrow().to_pylist()

    assert repr(ours(content, columns, options)) == repr(expected)
