"""CSV held against Spark's own reader, and by a stream into Delta."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from math import isinf
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql.functions import expr
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType

from sluice.formats.base import FileRange
from sluice.options.options import parse_options

pytestmark = pytest.mark.needs_java

SCHEMA = (
    "s string, i int, l bigint, d double, f float, b boolean, m decimal(9,3), "
    "day date, t timestamp, n timestamp_ntz"
)
# Pieces of values of every type, and of what is near one.
PIECES = [
    *('"', '""', "\\", '\\"', "\\\\", "'", " ", "é", "x", "#", "\t", "NA", "-", "+"),
    *("0", "1", "12", "127", "2147483648", "9223372036854775808", ".5", "1.", "1.005"),
    *("1e5", "NaN", "Inf", "true", "FALSE", "1,5", "2020-01-02", "2020-1-2", "2020"),
    *("2020-02-30", "2020-01-02T03:04:05", "2020-01-02 03:04:00", ":06.1234567"),
    *("Z", "+01:00", " UTC"),
]
CELLS = st.lists(st.sampled_from(PIECES), max_size=3).map("".join)
QUOTED = CELLS.map(lambda cell: f'"{cell}"')
# Where an escape follows a closing quote, Spark's parser loses the next separator.
LINES = st.lists(
    st.lists(st.one_of(CELLS, QUOTED), max_size=12)
    .map(",".join)
    .filter(lambda line: '"\\' not in line),
    max_size=40,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "escape": st.sampled_from(['"', "\\"]),
        "quote": st.sampled_from(["'", ""]),
        "nullValue": st.sampled_from(["NA", "1"]),
        "emptyValue": st.just("E"),
        "comment": st.just("#"),
        "ignoreLeadingWhiteSpace": st.just("true"),
        "dateFormat": st.sampled_from(["yyyy-M-d", "yyyy"]),
        "timestampFormat": st.sampled_from(["yyyy-MM-dd'T'HH:mm:ss[XXX]", "yyyy"]),
    },
)


@pytest.fixture
def utc(spark: SparkSession) -> SparkSession:
    """Return the session, in which times without a zone are UTC."""
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
    return spark


def ours(text: str, options: dict[str, str], schema: str = SCHEMA) -> list[tuple]:
    """Return the rows that the format reads."""
    given = {"path": "/in", "cloudFiles.format": "csv", "cloudFiles.schemaLocation": ""}
    source_format = parse_options(given | options).format
    moment, content = datetime(2026, 1, 1, tzinfo=UTC), text.encode()
    part = FileRange(
        "/in/a", len(content), moment, io.BytesIO(content), 0, len(content)
    )
    columns = to_arrow_schema(StructType.fromDDL(schema), timezone="UTC")
    return [
        tuple(_plain(value) for value in row.values())
        for block in source_format.parse(part, columns)
        for row in block.columns.to_pylist()
    ]


def sparks(
    spark: SparkSession, text: str, options: dict[str, str], schema: str = SCHEMA
) -> list[tuple]:
    """Return the rows that Spark's reader reads."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_bytes(text.encode())
        read = spark.read.schema(schema).options(**options).csv(str(path))
        found = known_years(read).toArrow().to_pylist()
    return [tuple(_plain(value) for value in row.values()) for row in found]


def known_years(rows: DataFrame) -> DataFrame:
    """Return rows without the years that Python does not have, which are rescued."""
    for name in {"day", "t", "n"} & set(rows.columns):
        known = f"case when year({name}) between 1 and 9999 then {name} end"
        rows = rows.withColumn(name, expr(known))
    return rows


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, float):
        # A number without an end is rescued here, and NaN is not even itself.
        return None if isinf(value) else repr(value)
    return value


@given(LINES, OPTIONS)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rows_are_those_of_sparks_reader(
    utc: SparkSession, lines: list[str], options: dict[str, str]
) -> None:
    """Quotes in odd places, ragged rows, values that nearly fit."""
    content = "\n".join(lines)

    assert ours(content, options) == sparks(utc, content, options)


@given(LINES, OPTIONS)
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_documents_are_those_of_sparks_reader(
    utc: SparkSession, lines: list[str], options: dict[str, str]
) -> None:
    """Line ends in quotes, and in what only looks like quotes."""
    content = "\n".join(line.replace("x", "\n") for line in lines)
    options = {**options, "multiLine": "true"}

    assert ours(content, options) == sparks(utc, content, options)


def test_lines_of_space_in_documents_are_those_of_sparks_reader(
    utc: SparkSession,
) -> None:
    """Spark passes over them where space is trimmed at the start and a line ends."""
    for content in (
        "\t\n",
        "\t",
        "1,b\n \t \n2,d\n",
        '"a\nb",c\n\t\n"d",e',
        '"a",b\n\t',
    ):
        for start, end in (("true", "false"), ("false", "true"), ("true", "true")):
            trims = {"ignoreLeadingWhiteSpace": start, "ignoreTrailingWhiteSpace": end}
            options = {"multiLine": "true", **trims}
            assert ours(content, options) == sparks(utc, content, options), content


@given(
    st.lists(st.text('""",, ab\\', min_size=1, max_size=12), max_size=60),
    st.sampled_from(
        [
            "STOP_AT_CLOSING_QUOTE",
            "BACK_TO_DELIMITER",
            "skip_value",
            "STOP_AT_DELIMITER",
        ]
    ),
    st.sampled_from(['"', "\\"]),
    st.booleans(),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_odd_quotes_are_read_as_by_sparks_reader(
    utc: SparkSession, lines: list[str], handling: str, escape: str, trims: bool
) -> None:
    """Whatever is to become of a cell in which more follows a closing quote."""
    content = "\n".join(line for line in lines if '"\\' not in line)
    options = {
        "unescapedQuoteHandling": handling,
        "escape": escape,
        "ignoreLeadingWhiteSpace": str(trims),
    }
    schema = "a string, b string, c string, d string"

    assert ours(content, options, schema) == sparks(utc, content, options, schema)


@pytest.mark.long
def test_odd_quotes_may_be_an_error(spark: SparkSession, tmp_path: Path) -> None:
    """Then Spark's query fails, and here the file is named, or left out."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.csv").write_text('"1"x,2\n')
    (landing / "b.csv").write_text('"1",x"2"\n')
    options = {"unescapedQuoteHandling": "RAISE_ERROR"}

    with pytest.raises(Exception, match="TextParsingException"):
        sparks(spark, '"1"x,2\n', options, "a string, b string")
    with pytest.raises(
        StreamingQueryException, match=r"a\.csv.*unescapedQuoteHandling"
    ):
        stream(spark, tmp_path, "a string, b string", **options)
    options["sluice.badFiles"] = "quarantine"
    rows = stream(spark, tmp_path, "a string, b string", **options).collect()
    assert list(map(tuple, rows)) == [("1", 'x"2"')]


def stream(spark: SparkSession, root: Path, schema: str | None = None, **options: str):
    """Return the rows of the Delta table into which a stream reads what has landed."""
    reader = (
        spark.readStream.format("cloudFiles")
        .option("cloudFiles.format", "csv")
        .option("cloudFiles.schemaLocation", str(root / "schemas"))
        .options(**options)
    )
    reader = reader if schema is None else reader.schema(schema)
    query = (
        reader.load(str(root / "landing"))
        .writeStream.option("checkpointLocation", str(root / "checkpoint"))
        .format("delta")
        .trigger(availableNow=True)
        .start(str(root / "table"))
    )
    query.awaitTermination()
    return spark.read.format("delta").load(str(root / "table"))


def test_stream_without_a_schema_maps_by_the_header(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Two files of one landing folder may have their columns in any order."""
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "a.csv").write_text("id,amount,day\n1,2.5,2026-01-01\n2,,2026-01-02\n")
    (landing / "b.csv").write_text('day,id,note\n2026-01-03,x,"a, b"\n')

    rows = stream(spark, tmp_path, **{"cloudFiles.inferColumnTypes": "true"}).select(
        "id", "amount", "day", "note", "_rescued_data"
    )

    assert rows.schema.simpleString() == (
        "struct<id:string,amount:double,day:date,note:string,_rescued_data:string>"
    )
    assert sorted((row.id, row.amount, row.note) for row in rows.collect()) == [
        ("1", 2.5, None),
        ("2", None, None),
        ("x", None, "a, b"),
    ]


def test_stream_with_a_schema_reads_by_position_in_many_tasks(
    spark: SparkSession, tmp_path: Path
) -> None:
    """As Spark's own reader does; what does not fit is rescued."""
    landing = tmp_path / "landing"
    landing.mkdir()
    lines = [f"{number},'t;{number}',x" for number in range(1000)]
    (landing / "a.csv").write_text("\n".join([*lines, "a,b"]))

    rows = stream(
        spark,
        tmp_path,
        "id int, text string, _rescued_data string",
        quote="'",
        **{"sluice.maxPartitionBytes": "1k"},
    ).collect()

    assert sum(row.id for row in rows if row.id is not None) == 499500
    (bad,) = [row for row in rows if row.id is None]
    assert bad == Row(id=None, text="b", _rescued_data=bad._rescued_data)
    assert '"id":"a"' in bad._rescued_data
    assert all('"_c2":"x"' in row._rescued_data for row in rows if row.id is not None)
