"""CSV cells as values: types, patterns of times, and what is not built."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from sluice.errors import UsageError
from support.csv_rows import ABC, csv_format, values

MOMENT, LOCAL = pa.timestamp("us", "UTC"), pa.timestamp("us")


NAN = pytest.approx(math.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        (pa.int32(), ["+5", "-0", "007", "2147483647"], [5, 0, 7, 2147483647]),
        *(
            (pa.int32(), [text], [{text}])
            for text in (" 5", "1.0", "0x1F", "2147483648", "1e3", "9" * 5000)
        ),
        (pa.int8(), ["127", "128"], [127, {"128"}]),
        (pa.int64(), ["9223372036854775807", "x"], [9223372036854775807, {"x"}]),
        (pa.float64(), ["+1", "1.", ".5", " 1 ", "1d", "1e5"], [1, 1, 0.5, 1, 1, 1e5]),
        (
            pa.float64(),
            ["NaN", "+NaN ", "Inf", "-Infinity"],
            [NAN] * 2 + [math.inf, -math.inf],
        ),
        (
            pa.float64(),
            ["1", "nan", "1e400", "Inf "],
            [1, {"nan"}, {"1e400"}, {"Inf "}],
        ),
        (pa.float32(), ["0.5", "1e39"], [0.5, {"1e39"}]),
        (pa.bool_(), ["true", "FALSE", "1", "T"], [True, False, {"1"}, {"T"}]),
        (pa.binary(), ["abc"], [b"abc"]),
        (
            pa.decimal128(5, 2),
            ["1.2", "1.235", "1e2", ".5", "1,00", "1234.5"],
            [*map(Decimal, ("1.20", "1.24", "100.00", "0.50", "100.00")), {"1234.5"}],
        ),
        (
            pa.date32(),
            ["2020-01-02", "2020-1-2", "2020", "2020-02", "2020-01-02 10:00"],
            [date(2020, 1, 2)] * 2
            + [date(2020, 1, 1), date(2020, 2, 1), date(2020, 1, 2)],
        ),
        (
            pa.date32(),
            ["2020-02-30", "20200102", "2020-01-02x"],
            [{"2020-02-30"}, {"20200102"}, {"2020-01-02x"}],
        ),
        (
            MOMENT,
            [
                "2020-01-02 03:04:05.1234567",
                "2020-1-2T3:4:5Z",
                "2020-01-02T05:04:05+02",
            ],
            [datetime(2020, 1, 2, 3, 4, 5, 123456, UTC)]
            + [datetime(2020, 1, 2, 3, 4, 5, 0, UTC)] * 2,
        ),
        (
            MOMENT,
            ["2020-01-02 00:00 Europe/Berlin", "2020-01-02 24:00:00", "1577880000"],
            [
                datetime(2020, 1, 1, 23, tzinfo=UTC),
                {"2020-01-02 24:00:00"},
                {"1577880000"},
            ],
        ),
        (
            LOCAL,
            ["2020-01-02 03:04", "2020-01-02T03:04:05Z"],
            [
                datetime(2020, 1, 2, 3, 4),  # noqa: DTZ001
                {"2020-01-02T03:04:05Z"},
            ],
        ),
    ],
)
def test_cell_fits_its_column_or_is_rescued_to_the_letter(
    kind: pa.DataType, cells: list[str], expected: list[object]
) -> None:
    """As with Spark's reader, but for numbers without an end."""
    assert values(kind, *cells) == expected


def test_nested_columns_are_refused_by_name() -> None:
    """Before a file is read."""
    with pytest.raises(UsageError, match="'deep'"):
        csv_format().require_columns(pa.schema([("deep", pa.list_(pa.string()))]))
    csv_format().require_columns(ABC)


@pytest.mark.parametrize(
    ("option", "kind", "pattern", "cells", "expected"),
    [
        (
            "dateFormat",
            pa.date32(),
            "dd/MM/yyyy",
            ["01/02/2020", "1/2/2020", "31/02/2020"],
            [date(2020, 2, 1), {"1/2/2020"}, {"31/02/2020"}],
        ),
        ("dateFormat", pa.date32(), "MMM d, yy", ["jan 2, 20"], [date(2020, 1, 2)]),
        ("dateFormat", pa.date32(), "yyyyMMdd'T'", ["20200102T"], [date(2020, 1, 2)]),
        ("dateFormat", pa.date32(), "MM", ["02"], [date(1970, 2, 1)]),
        (
            "timestampFormat",
            MOMENT,
            "yyyy-MM-dd'T'HH:mm:ss[.SSS][XXX]",
            ["2020-01-02T03:04:05", "2020-01-02T03:04:05.1+02:00"],
            [
                datetime(2020, 1, 2, 3, 4, 5, 0, UTC),
                datetime(2020, 1, 2, 1, 4, 5, 100_000, UTC),
            ],
        ),
        (
            "timestampFormat",
            MOMENT,
            "MM/dd/yyyy hh:mm a",
            ["01/02/2020 12:04 am", "01/02/2020 01:04 PM", "01/02/2020 13:04 AM"],
            [
                datetime(2020, 1, 2, 0, 4, tzinfo=UTC),
                datetime(2020, 1, 2, 13, 4, tzinfo=UTC),
                {"01/02/2020 13:04 AM"},
            ],
        ),
        (
            "timestampNTZFormat",
            LOCAL,
            "dd.MM.yyyy HH:mm:ss.SSS",
            ["01.02.2020 03:04:05.12", "2020-02-01 03:04:05"],
            [
                datetime(2020, 2, 1, 3, 4, 5, 120_000),  # noqa: DTZ001
                {"2020-02-01 03:04:05"},
            ],
        ),
    ],
)
def test_patterns_of_dates_and_times(
    option: str, kind: pa.DataType, pattern: str, cells: list[str], expected: list
) -> None:
    """Spark's letters, and nothing else where one is given."""
    assert values(kind, *cells, **{option: pattern}) == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("dateFormat", "EEE dd"),
        ("timestampFormat", "yyyy-DDD"),
        ("dateFormat", "dd dd"),
        ("dateFormat", "[yyyy"),
        ("sep", ""),
        ("sep", "\n"),
        ("quote", "''"),
        ("escape", "ä"),
        ("comment", "//"),
        ("encoding", "cp500"),
        ("encoding", "no such"),
        ("lineSep", "|"),
        ("skipRows", "-1"),
        ("maxColumns", "0"),
        ("header", "yes"),
        ("unescapedQuoteHandling", "STOP"),
        ("locale", "de-DE"),
        ("nanValue", "-"),
    ],
)
def test_what_is_not_built_is_refused_by_name(option: str, value: str) -> None:
    """Nothing is passed over in silence."""
    with pytest.raises(UsageError, match=option):
        csv_format(**{option: value})
