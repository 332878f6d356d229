from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sluice.formats.base import FileRange, rescued_json
from sluice.formats.parquet import ParquetFormat, RebaseMode
from sluice.formats.streams import BadFileError

EPOCH = datetime.fromtimestamp(0, UTC)


def written(table: pa.Table, **options: object) -> bytes:
    """Return the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(
    content: bytes,
    columns: pa.Schema,
    start: int = 0,
    end: int | None = None,
    source_format: ParquetFormat | None = None,
) -> tuple[list[dict], list[object]]:
    """Return the rows of a range, and what is rescued of each row."""
    end = len(content) if end is None else end
    part = FileRange("/a", len(content), EPOCH, io.BytesIO(content), start, end)
    rows, rescued = [], []
    for block in (source_format or ParquetFormat()).parse(part, columns):
        rows += block.columns.to_pylist()
        texts = [rescued_json(each, "/a") for each in block.records or ()]
        rescued += [text and json.loads(text) for text in texts] or [
            None
        ] * block.num_rows
    for each in rescued:
        if each:
            assert each.pop("_file_path") == "/a"
    return rows, rescued


def column(values: pa.Array, target: pa.DataType) -> tuple[list[object], list[object]]:
    """Return one column as ``target``, and what of it is rescued."""
    rows, rescued = read(written(pa.table({"c": values})), pa.schema([("c", target)]))
    return [row["c"] for row in rows], [each and each["c"] for each in rescued]


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 50])
def test_row_group_belongs_to_the_range_of_its_middle(pieces: int) -> None:
    """However a file is cut, each row comes once and in order."""
    table = pa.table({"i": range(1000), "s": [str(each) for each in range(1000)]})
    content = written(table, row_group_size=100)
    size = -(-len(content) // pieces)

    rows = [
        row
        for start in range(0, len(content), size)
        for row in read(content, table.schema, start, start + size)[0]
    ]

    assert rows == table.to_pylist()


def test_columns_are_found_by_name() -> None:
    """One that is missing is null, one that is unknown is rescued with its value."""
    table = pa.table({"x": [Decimal("1.10"), None], "b": [1, 2], "a": ["p", "q"]})
    columns = pa.schema([("a", pa.string()), ("gone", pa.int32()), ("b", pa.int64())])

    rows, rescued = read(written(table), columns)

    assert rows == [{"a": "p", "gone": None, "b": 1}, {"a": "q", "gone": None, "b": 2}]
    assert rescued == [{"x": 1.1}, None]


@pytest.mark.parametrize(
    ("values", "target", "wanted"),
    [
        (pa.array([1, None], pa.int8()), pa.int64(), [1, None]),
        (pa.array([7], pa.int32()), pa.float64(), [7.0]),
        (pa.array([7], pa.int32()), pa.decimal128(12, 2), [Decimal("7.00")]),
        (pa.array([1 << 40]), pa.decimal128(20, 0), [Decimal(1 << 40)]),
        (pa.array([1 << 63], pa.uint64()), pa.decimal128(20, 0), [Decimal(1 << 63)]),
        (pa.array([1.5], pa.float32()), pa.float64(), [1.5]),
        (
            pa.array([Decimal("1.50")], pa.decimal128(5, 2)),
            pa.decimal128(7, 4),
            [Decimal("1.5000")],
        ),
        (pa.array([date(2026, 1, 2)]), pa.timestamp("us"), [datetime(2026, 1, 2)]),  # noqa: DTZ001
        (pa.array([0], pa.timestamp("ms")), pa.timestamp("us", "UTC"), [EPOCH]),
        (pa.array([b"a"]), pa.string(), ["a"]),
        (pa.array(["a"]).dictionary_encode(), pa.string(), ["a"]),
        (pa.array(["a"], pa.large_string()), pa.binary(), [b"a"]),
        (pa.nulls(1), pa.list_(pa.int64()), [None]),
    ],
)
def test_types_are_widened_as_spark_does(values, target, wanted) -> None:
    """Nothing is rescued of what Spark reads."""
    assert column(values, target) == (wanted, [None] * len(wanted))


@pytest.mark.parametrize(
    ("values", "target", "kept", "rescued"),
    [
        (pa.array([5, 300], pa.int16()), pa.int8(), [5, None], [None, 300]),
        (pa.array([5, 1 << 40]), pa.int32(), [None] * 2, [5, 1 << 40]),
        (pa.array(["x"]), pa.int32(), [None], ["x"]),
        (pa.array([1.5]), pa.float32(), [None], [1.5]),
        (pa.array([float("nan")]), pa.int64(), [None], ["NaN"]),
        (pa.array([1], pa.int32()), pa.date32(), [None], [1]),
        (
            pa.array([Decimal("1.55")], pa.decimal128(5, 2)),
            pa.decimal128(5, 1),
            [None],
            [1.55],
        ),
        (pa.array([b"\xff", b"a"]), pa.string(), [None, "a"], ["/w==", None]),
        (
            pa.array([1], pa.timestamp("ns")),
            pa.int64(),
            [None],
            ["1970-01-01T00:00:00.000000001"],
        ),
        (pa.array([[1, 2]]), pa.int64(), [None], [[1, 2]]),
        (pa.array([0], pa.time64("us")), pa.int64(), [None], ["00:00:00"]),
    ],
)
def test_value_that_does_not_fit_is_rescued(values, target, kept, rescued) -> None:
    """Spark fails at some, and reads others as another value in silence."""
    assert column(values, target) == (kept, rescued)


def test_new_nested_field_costs_nothing_but_itself() -> None:
    """What is known stays, in an array too, and the rest is rescued in its place."""
    values = pa.array(
        [
            {"a": 1, "b": 2, "l": [{"x": 1, "y": 2}, None, {"x": 3, "y": None}]},
            None,
            {"a": 4, "b": None, "l": None},
        ]
    )
    target = pa.struct(
        [
            ("l", pa.list_(pa.field("element", pa.struct([("x", pa.int64())])))),
            ("a", pa.int64()),
            ("z", pa.string()),
        ]
    )

    kept, rescued = column(values, target)

    assert kept == [
        {"a": 1, "z": None, "l": [{"x": 1}, None, {"x": 3}]},
        None,
        {"a": 4, "z": None, "l": None},
    ]
    assert rescued == [{"b": 2, "l": [{"y": 2}, None, None]}, None, None]


def test_damaged_file_is_an_error_or_as_it_was() -> None:
    """Pages have checksums; a footer that changed may still be one."""
    table = pa.table({"i": range(50), "s": ["x" * 9] * 50})
    content = written(table, write_page_checksum=True)
    for place in range(4, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        try:
            read(bytes(damaged), table.schema)
        except OSError as error:
            assert error.errno is None  # noqa: PT017 - most changes are found
    for size in range(0, len(content), 11):
        with pytest.raises(OSError, match=r".") as caught:
            read(content[:size], table.schema)
        assert caught.value.errno is None


def test_rows_that_are_not_found_make_a_bad_file(tmp_path) -> None:
    """At a page without values pyarrow ends, and says nothing."""
    table = pa.table({"a": pa.array([None], pa.list_(pa.int8()))})
    path = tmp_path / "a"
    pq.write_table(table, path, data_page_size=1)
    assert list(pq.ParquetFile(path).iter_batches()) == []

    with pytest.raises(BadFileError, match="row group 0 has 1 rows, 1 not found"):
        read(path.read_bytes(), table.schema)


def test_text_that_is_none_makes_a_bad_file() -> None:
    """In Delta it would make the table one that other readers refuse."""
    text = pa.array([b"a", b"\xff"]).view(pa.string())
    content = written(pa.table({"c": text}))
    with pytest.raises(BadFileError, match="Invalid UTF8"):
        read(content, pa.schema([("c", pa.string())]))


@pytest.mark.parametrize(
    ("facts", "mode", "refused"),
    [
        ({}, RebaseMode.CORRECTED, False),
        ({}, RebaseMode.LEGACY, True),
        ({}, RebaseMode.EXCEPTION, True),
        ({"org.apache.spark.version": "2.4.8"}, RebaseMode.CORRECTED, True),
        ({"org.apache.spark.version": "3.5.1"}, RebaseMode.LEGACY, False),
        (
            {
                "org.apache.spark.version": "4.0.0",
                "org.apache.spark.legacyDateTime": "",
            },
            RebaseMode.CORRECTED,
            True,
        ),
    ],
)
@pytest.mark.parametrize(
    "old", [date(1500, 1, 1), datetime(1850, 1, 1, tzinfo=UTC), [date(1500, 1, 1)]]
)
def test_old_date_of_another_calendar_is_refused(facts, mode, refused, old) -> None:
    """It would be another day; files without such a date are read."""
    table = pa.table({"d": [old]}).replace_schema_metadata(facts)
    mode = ParquetFormat(datetime_rebase=mode)
    if refused:
        with pytest.raises(BadFileError, match="'d'"):
            read(written(table), table.schema, source_format=mode)
    else:
        assert read(written(table), table.schema, source_format=mode)[0]
    young = pa.table({"d": [date(1990, 1, 1)]}).replace_schema_metadata(facts)
    assert read(written(young), young.schema, source_format=mode)[0]


@pytest.mark.parametrize("old", [date(1500, 1, 1), datetime(1850, 1, 1, tzinfo=UTC)])
def test_int96_has_a_mode_of_its_own(old) -> None:
    """Times alone are kept so, and dates are not asked about."""
    table = pa.table({"d": [old]})
    legacy = ParquetFormat(int96_rebase=RebaseMode.LEGACY)
    if isinstance(old, datetime):
        with pytest.raises(BadFileError, match="'d'"):
            read(written(table), table.schema, source_format=legacy)
    else:
        assert read(written(table), table.schema, source_format=legacy)[0]


def test_schemas_of_a_sample_are_merged(tmp_path, caplog) -> None:
    """With the types that the files have, whatever ``inferColumnTypes`` says."""
    tables = [
        pa.table({"i": pa.array([1], pa.int32()), "n": pa.nulls(1), "Up": ["x"]}),
        pa.table({"up": [1], "i": [1], "t": pa.array([0], pa.timestamp("ns"))}),
        pa.table({"n": [True], "u": pa.array([1], pa.uint8()), "e": pa.nulls(1)}),
    ]
    for number, table in enumerate(tables):
        pq.write_table(table, tmp_path / f"{number}")
    (tmp_path / "3").write_text("no parquet")
    paths = sorted(map(str, tmp_path.iterdir()))

    schemas = [
        ParquetFormat().infer(paths, max_bytes=1, typed=typed) for typed in (0, 1)
    ]

    assert schemas[0].equals(schemas[1])
    assert dict(zip(schemas[0].names, schemas[0].types, strict=True)) == {
        "i": pa.int64(),
        "n": pa.bool_(),
        "Up": pa.string(),
        "t": pa.timestamp("us"),
        "u": pa.int16(),
        "e": pa.string(),
    }
    assert paths[3] in caplog.text


def test_int96_is_a_moment(tmp_path) -> None:
    """And far ones do not wrap around, as nanoseconds would."""
    table = pa.table({"t": pa.array([datetime(2500, 1, 1)], pa.timestamp("us"))})  # noqa: DTZ001
    path = tmp_path / "a"
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)

    schema = ParquetFormat().infer([str(path)], max_bytes=1, typed=True)

    assert schema.types == [pa.timestamp("us", "UTC")]
    rows, _ = read(path.read_bytes(), schema)
    assert rows == [{"t": datetime(2500, 1, 1, tzinfo=UTC)}]
