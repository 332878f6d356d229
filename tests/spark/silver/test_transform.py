"""From bronze rows to windows, and what is refused before a query starts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sluice.config import SilverConfig
from sluice.errors import Condition, UsageError
from sluice.silver.transform import (
    EVENT_TIME,
    aggregate_windows,
    check_columns,
    with_event_time,
)
from support.silver_lake import SILVER

ROW = (
    "order_date string, total_amount double, payment_method string, "
    "_processing_time timestamp"
)
NOON = datetime(2025, 7, 1, 12, tzinfo=UTC)


def silver(**keys) -> SilverConfig:
    """Return the documented silver table with some keys replaced."""
    return SilverConfig.model_validate({**SILVER, **keys})


def event_times(spark, texts, kind="string", **event_time) -> list[datetime | None]:
    """Return the event time that each of ``texts`` gets."""
    rows = spark.createDataFrame([(text,) for text in texts], "order_date string")
    rows = rows.selectExpr(
        f"cast(order_date as {kind}) order_date",
        "timestamp '2025-07-01 12:00:00Z' _processing_time",
    )
    config = silver(event_time={"column": "order_date", **event_time})
    timed = with_event_time(rows, config).selectExpr(f"unix_seconds({EVENT_TIME}) s")
    seconds = [row.s for row in timed.collect()]
    return [None if s is None else datetime.fromtimestamp(s, UTC) for s in seconds]


def test_a_text_that_is_no_time_gives_null(spark):
    """One bad row must not stop a query, as a failing cast under ANSI rules would."""
    texts = ["2025-07-01 12:00:00", "yesterday", "", "2025-02-30 00:00:00", None]

    assert event_times(spark, texts) == [NOON, None, None, None, None]


def test_text_is_read_in_the_configured_time_zone(spark):
    """Berlin's clocks are two hours ahead in July."""
    found = event_times(spark, ["2025-07-01 14:00:00"], time_zone="Europe/Berlin")

    assert found == [NOON]


@pytest.mark.parametrize("kind", ["string", "timestamp_ntz", "timestamp"])
def test_the_time_zone_of_the_session_does_not_matter(spark, kind):
    """The same pipeline gives the same windows in every session."""
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    text = "2025-07-01T12:00:00Z" if kind == "timestamp" else "2025-07-01 12:00:00"
    try:
        assert event_times(spark, [text], kind) == [NOON]
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_a_time_that_names_its_zone_keeps_it(spark):
    """The configured zone is for text that does not say."""
    found = event_times(
        spark,
        ["2025-07-01T14:00:00+02:00"],
        format="yyyy-MM-dd'T'HH:mm:ssXXX",
        time_zone="America/New_York",
    )

    assert found == [NOON]


def test_a_row_on_a_bound_belongs_to_the_window_that_starts_there(spark):
    """Windows are half-open, and the columns come in the documented order.

    12:00           12:05           12:10
    |---------------|---------------|
    ^12:00:00      ^12:04:59
                    ^12:05:00
    """
    times = ["12:00:00", "12:04:59", "12:05:00", None]
    rows = [(time and f"2025-07-01 {time}", 2.0, "card", NOON) for time in times]
    windows = aggregate_windows(spark.createDataFrame(rows, ROW), silver())

    assert windows.columns == [
        "window_start",
        "window_end",
        "payment_method",
        "order_count",
        "total_revenue",
        "avg_order_value",
    ]
    found = windows.selectExpr("date_format(window_start, 'HH:mm')", "order_count")
    assert sorted(map(tuple, found.collect())) == [("12:00", 2), ("12:05", 1)]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"group_by": ["method"]}, "group_by names 'method', which bronze lacks"),
        ({"event_time": {"column": "at"}}, "event_time.column names 'at'"),
        ({"event_time": {"column": "total_amount"}}, "'total_amount' is double"),
        ({"aggregates": {"n": "sum(amount)"}}, "aggregate 'n' is 'sum(amount)'"),
        ({"aggregates": {"n": "total_amount"}}, "aggregate 'n' is 'total_amount'"),
        ({"aggregates": {"n": "count(*)", "m": "n + 1"}}, "aggregate 'm' is 'n + 1'"),
        ({"where": "amount > 0"}, "where is 'amount > 0'"),
        ({"where": "total_amount"}, "where is 'total_amount'"),
    ],
)
def test_what_bronze_cannot_give_is_refused_by_name(spark, keys, reason):
    """The error names the key of the pipeline file, not a line of Spark's plan."""
    bronze = spark.createDataFrame([], ROW)

    with pytest.raises(UsageError) as caught:
        check_columns(bronze, silver(**keys))
    assert caught.value.condition is Condition.CONFIG_INVALID
    assert [reason in wrong for wrong in caught.value.context["wrong"]] == [True]


def test_every_wrong_aggregate_is_named_at_once(spark):
    """Two mistakes should not need two runs to find them."""
    bronze = spark.createDataFrame([], ROW)
    wrong = {"a": "sum(x)", "good": "count(*)", "b": "sum(y)"}

    with pytest.raises(UsageError) as caught:
        check_columns(bronze, silver(aggregates=wrong))
    assert [each[:13] for each in caught.value.context["wrong"]] == [
        "aggregate 'a'",
        "aggregate 'b'",
    ]


def test_the_documented_pipeline_is_accepted(spark):
    """What the README shows must run."""
    check_columns(spark.createDataFrame([], ROW), silver())
