from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from sluice.config import PipelineConfig
from sluice.config.silver import EventTime, SilverConfig, Window
from sluice.errors import UsageError
from sluice.formats.registry import FORMATS

SESSION = {"type": "session", "gap": "30 minutes"}
KEPT = (
    '{"aggregates": {"rows": "count(*)"}, "event_time": {"column": "at", '
    '"format": ["yyyy-MM-dd HH:mm:ss"], "time_zone": "UTC"}, '
    '"group_by": ["customer"], "output_mode": "append", "state_store": "memory", '
    '"where": null, "window": {"duration": "0:05:00", "slide": "0:05:00", '
    '"type": "tumbling"}}'
)
WHOLE = {"output_mode": "complete"}
SILVER = {
    "name": "windows",
    "event_time": {"column": "at"},
    "aggregates": {"rows": "count(*)"},
}


@pytest.mark.parametrize("text", ["1.5 hours", "-1 minutes", "1 month", "minutes", ""])
def test_duration_of_unclear_length_is_refused(text: str) -> None:
    """Spark would take a month for an interval, and fail in the stream."""
    with pytest.raises(ValidationError, match="expected a duration"):
        Window(duration=text)


def test_duration_is_spelled_for_spark() -> None:
    """Spark's own parser has no short names."""
    assert Window(duration="90s").duration == "90 seconds"
    assert Window(duration=" 2 HOURS ").duration == "2 hours"


def test_locations_default_to_the_lake(tmp_path: Path) -> None:
    """A pipeline that only has a name has all its folders."""
    config = PipelineConfig.model_validate(
        {"name": "orders", "lake": str(tmp_path), "silver": [SILVER]}
    )
    silver = config.silver[0]
    found = {
        "landing/orders": config.landing_location,
        "schemas/orders": config.schema_location,
        "bronze/orders": config.bronze_location,
        "checkpoints/orders/bronze": config.bronze_checkpoint_location,
        "silver/orders_windows": config.silver_location(silver),
        "checkpoints/orders/windows": config.silver_checkpoint_location(silver),
        "ops/batches": config.ops_location("batches"),
        "reports/orders": config.reports_location,
    }

    assert found == {name: f"{tmp_path}/{name}" for name in found}


def test_given_locations_win(tmp_path: Path) -> None:
    """Every location can be somewhere else, in any spelling of a path."""
    config = PipelineConfig.model_validate(
        {
            "name": "orders",
            "lake": str(tmp_path),
            "bronze": {
                "source": {
                    "path": "file:/in/",
                    "options": {"cloudFiles.schemaLocation": "s3a://b/schemas/"},
                },
                "table": "/out/bronze",
                "checkpoint": "/state/bronze",
            },
            "silver": [SILVER | {"table": "/out/silver", "checkpoint": "/state/s"}],
        }
    )

    assert config.landing_location == "/in"
    assert config.schema_location == "s3://b/schemas"
    assert config.bronze_location == "/out/bronze"
    assert config.bronze_checkpoint_location == "/state/bronze"
    assert config.silver_location(config.silver[0]) == "/out/silver"
    assert config.silver_checkpoint_location(config.silver[0]) == "/state/s"


def test_falsy_values_override() -> None:
    """An empty list, a zero and a null are what the user said, not what is missing."""
    config = PipelineConfig.model_validate(
        {
            "name": "orders",
            "schedule": None,
            "bronze": {
                "partition_by": [],
                "source": {"options": {"a": 0, "b": False, "c": ""}},
            },
            "silver": [SILVER | {"watermark": "0 seconds"}],
        }
    )

    assert config.schedule is None
    assert config.bronze.partition_by == []
    assert config.bronze.source.options == {"a": "0", "b": "false", "c": ""}
    assert config.silver[0].watermark == "0 seconds"


def test_configuration_cannot_change() -> None:
    """What was read at the edge is what every later stage sees."""
    config = PipelineConfig.model_validate({"name": "orders"})

    with pytest.raises(ValidationError, match="frozen"):
        config.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", "Orders", "1st", "a-b", "../x", "a/b"])
def test_name_must_be_fit_for_a_folder(name: str) -> None:
    """The name is part of paths and of a DAG's id."""
    with pytest.raises(ValidationError):
        PipelineConfig.model_validate({"name": name})


def test_one_location_elsewhere_is_seen() -> None:
    """A session is set up for every place that a job reads or writes."""
    elsewhere = {
        "bronze": {"source": {"path": "s3://b/landing"}},
        "silver": [SILVER | {"table": "s3://b/silver", "checkpoint": "s3://b/state"}],
    }
    config = PipelineConfig.model_validate({"name": "orders", **elsewhere})
    on_s3 = [each for each in config.locations if each.startswith("s3://")]
    assert on_s3 == ["s3://b/landing", "s3://b/silver", "s3://b/state"]
    assert config.bronze_location in config.locations
    assert config.bronze_checkpoint_location in config.locations


def test_copied_pipeline_gets_a_silver_table_of_its_own() -> None:
    """Rows of two pipelines in one table cannot be separated again."""
    blocks = [
        PipelineConfig.model_validate({"name": name, "silver": [SILVER]})
        for name in ("orders", "payments")
    ]
    first, second = (each.silver_location(each.silver[0]) for each in blocks)
    assert first != second


@pytest.mark.parametrize("names", [["bronze"], ["a", "a"]])
def test_silver_names_are_their_own(names: list[str]) -> None:
    """Checkpoints and queries are named by them."""
    silver = [{**SILVER, "name": name} for name in names]
    with pytest.raises(ValidationError, match="name of its own"):
        PipelineConfig.model_validate({"name": "orders", "silver": silver})


def test_format_is_one_that_is_built() -> None:
    """A pipeline file is refused before anything is listed."""
    for name in FORMATS:
        source = {"bronze": {"source": {"format": name}}}
        config = PipelineConfig.model_validate({"name": "orders"} | source)
        assert config.bronze.source.format == name
    source = {"bronze": {"source": {"format": "jsno"}}}
    with pytest.raises(ValidationError, match="expected a format that is built"):
        PipelineConfig.model_validate({"name": "orders"} | source)


def test_other_name_of_rescued_data_is_refused() -> None:
    """Bronze, history and audit look for one name, and would count nothing."""
    source = {"options": {"rescuedDataColumn": "other"}}
    with pytest.raises(ValidationError, match="_rescued_data"):
        PipelineConfig.model_validate({"name": "orders", "bronze": {"source": source}})


@pytest.mark.parametrize(
    "given",
    [
        {"lake": "/a%20b"},
        {"bronze": {"table": "/a[b"}},
        {"bronze": {"source": {"options": {"cloudFiles.schemaLocation": "/a|b"}}}},
        {"silver": [SILVER | {"table": "/a^b"}]},
    ],
)
def test_path_that_cannot_hold_tables_is_refused(given: dict[str, object]) -> None:
    """Before anything is written, and not by a panic in the middle of a run."""
    with pytest.raises(UsageError, match="cannot hold Delta tables"):
        PipelineConfig.model_validate({"name": "orders"} | given)


def test_landing_folder_may_have_any_path() -> None:
    """No table is there."""
    source = {"path": "/landing/a%20[b]"}

    config = PipelineConfig.model_validate(
        {"name": "orders", "bronze": {"source": source}}
    )

    assert config.landing_location == "/landing/a%20[b]"


def silver_error(**keys: object) -> str:
    """Return why a silver table with these keys is refused."""
    with pytest.raises(ValidationError) as caught:
        PipelineConfig.model_validate({"name": "orders", "silver": [SILVER | keys]})
    return str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("yyyy-mm-dd HH:MM:ss", "'m' is minutes and stands before any hour"),
        ("yyyy-mm-dd", "months are 'M'"),
        ("yyyy-MM-dd HH:MM:ss", "'M' is months and stands behind the hour"),
        ("yyyy-MM-dd HH:mm:SS", "seconds are 's'"),
        ("YYYY-MM-dd", "years are 'yyyy'"),
        ("yyyy-MM-DD", "days of a month are 'd'"),
        ("dd/MM/yyyy hh:mm", "hours of a day are 'H'"),
        ("HH:mm", "the year is missing"),
        ("yyyy-MM-dd'T'HH:mm:ss[XXX]", "give two formats"),
        ("EEE yyyy-MM-dd", "'EEE' is no field that Spark reads"),
        ("yyyy-MM-dd HHH", "'HHH' is no field that Spark reads"),
    ],
)
def test_a_pattern_that_can_only_be_a_mistake_is_refused(
    pattern: str, reason: str
) -> None:
    """Spark parses most of these, and puts January's orders into April's windows."""
    event_time = {"column": "at", "format": ["yyyy-MM-dd HH:mm:ss", pattern]}

    assert reason in silver_error(event_time=event_time)


@pytest.mark.parametrize(
    "pattern",
    [
        "yyyy-MM-dd'T'HH:mm:ss[.SSS]XXX",
        "dd MMM yyyy hh:mm a",
        "HH:mm dd.MM.yy",
        "yyyyMMddHHmmss",
        "yyyy-DDD",
        "yyyy-MM-dd 'at' HH 'hours'",
    ],
)
def test_usual_patterns_are_taken(pattern: str) -> None:
    """Fields in any order, quoted text, optional parts."""
    event_time = {"column": "at", "format": pattern}
    config = PipelineConfig.model_validate(
        {"name": "orders", "silver": [SILVER | {"event_time": event_time}]}
    )

    assert config.silver[0].event_time.format == (pattern,)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "+02:00", "GMT+1", "Z"])
def test_time_zones_are_taken_by_name_and_by_offset(zone: str) -> None:
    """As Spark takes them."""
    assert EventTime(column="at", time_zone=zone).time_zone == zone


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {"event_time": {"column": "at", "time_zone": "Europe/Berln"}},
            "did you mean 'Europe/Berlin'?",
        ),
        ({"event_time": {"column": "at", "format": []}}, "at least 1 item"),
        ({"aggregates": {"order count": "count(*)"}}, "use letters, digits and _"),
        ({"group_by": ["payment method"]}, "use letters, digits and _"),
        ({"aggregates": {"N": "count(*)", "n": "sum(x)"}}, "differ in case only"),
        ({"aggregates": {"window_end": "count(*)"}}, "called 'window_end'"),
        ({"group_by": ["window_start"]}, "called 'window_start'"),
        ({"group_by": ["q"], "aggregates": {"Q": "count(*)"}}, "called 'Q'"),
        ({"aggregates": {"n": "count(distinct q)"}}, "'approx_count_distinct(q)'"),
        ({"aggregates": {"n": "sum(q) over ()"}}, "has no OVER"),
        ({"aggregates": {"n": "count(*"}}, "expected one SQL expression"),
        ({"aggregates": {"n": "(select 1)"}}, "no query"),
        ({"aggregates": {"n": "reflect('a', 'b')"}}, "may call any code"),
        ({"where": "x in (select y from t)"}, "no query"),
        ({"where": "rand() < 0.5"}, "gives another value each time"),
        ({"window": {"type": "sliding"}}, "needs a slide"),
        ({"window": {"slide": "1 minute"}}, "say 'type: sliding'"),
        ({"window": {"gap": "1 minute"}}, "say 'type: session'"),
        ({"window": {"type": "session"}}, "needs the time without rows"),
        ({"window": {"type": "session", "gap": "0 minutes"}}, "needs the time"),
        ({"window": SESSION | {"slide": "1 hour"}}, "leave out ['slide']"),
        ({"window": SESSION, "output_mode": "update"}, "no update mode for session"),
        ({"window": SESSION, "group_by": []}, "in 'group_by'"),
        ({"window": {"type": "sliding", "slide": "6 minutes"}}, "no longer"),
        ({"window": {"type": "sliding", "slide": "0 minutes"}}, "needs a slide"),
        ({"window": {"duration": "0 seconds"}}, "longer than nothing"),
        ({"deduplicate": True}, "such as 'deduplicate: [order_id]'"),
        ({"aggregates": {"_sluice_rows": "count(*)"}}, "use another name"),
        ({"group_by": ["_Event_Time"]}, "use another name"),
        ({"group_by": ["_violations"]}, "use another name"),
        (
            WHOLE
            | {"watermark": "1 hour", "late_data": "repair", "state_store": "memory"},
            "leave out ['late_data', 'state_store', 'watermark']",
        ),
        (WHOLE | {"checkpoint": "/x"}, "leave out ['checkpoint']"),
        ({"from": "other"}, "'from' needs 'output_mode: complete'"),
        ({"from": "other", "output_mode": "update"}, "no stream can follow a table"),
        (
            WHOLE | {"from": "other"},
            "'from: other' names no silver table, of ['windows']",
        ),
        (WHOLE | {"from": "windows"}, "in a circle: windows from windows"),
        (
            WHOLE | {"from": "x", "event_time": {"column": "at", "max_ahead": "1 day"}},
            "leave it out of a table with 'from'",
        ),
        ({"live": True, "output_mode": "update"}, "'live' shows windows that are open"),
        ({"live": True} | WHOLE, "'live' shows windows that are open"),
        (
            {"live": True, "window": SESSION, "group_by": ["x"]},
            "how far back an open session",
        ),
        ({"output_mode": "continuous"}, "'append', 'update' or 'complete'"),
        (
            {"expectations": {"some": {"expect": "x", "on_violation": "quarantine"}}},
            "rules ['some']: windows have no quarantine",
        ),
    ],
)
def test_a_silver_table_that_cannot_work_is_refused_when_it_is_loaded(
    keys: dict[str, object], reason: str
) -> None:
    """Found by Spark, it would be after bronze ran, each hour."""
    assert reason in silver_error(**keys)


def test_tables_that_are_computed_whole_come_behind_their_sources() -> None:
    """In whatever order the file has them; a circle of several is named."""

    def computed(**sources: str | None) -> list[str]:
        tables = [
            {**SILVER, **WHOLE, "name": name, **({"from": source} if source else {})}
            for name, source in sources.items()
        ]
        raw = {"name": "orders", "silver": [*tables, SILVER]}
        config = PipelineConfig.model_validate(raw)
        assert [each.name for each in config.streamed] == ["windows"]
        assert len(config.queries) == 2
        return [each.name for each in config.complete]

    assert computed(c="b", b="a", a="windows", d=None) == ["d", "a", "b", "c"]
    with pytest.raises(ValidationError, match="in a circle: a from b from a"):
        computed(a="b", b="a")


def test_a_session_without_groups_can_be_computed_whole() -> None:
    """It is streams that need a group."""
    keys = SILVER | WHOLE | {"window": SESSION}

    assert SilverConfig.model_validate(keys).is_complete


def test_the_definition_has_what_windows_depend_on_and_no_more() -> None:
    """A larger watermark or another way with late rows leaves old windows right."""

    def defined(**keys: object) -> str:
        return SilverConfig.model_validate(SILVER | keys).definition

    ahead = {"column": "at", "max_ahead": "2 days"}
    assert defined() == defined(watermark="1 hour", event_time=ahead, table="/x")
    assert defined() == defined(window={"duration": "300 seconds"})
    grouped = {"group_by": ["customer"]}
    longer = SESSION | {"gap": "1800 seconds"}
    sessions = defined(window=SESSION, **grouped)
    assert sessions == defined(window=longer, **grouped)
    assert sessions != defined(window=SESSION | {"gap": "31 minutes"}, **grouped)
    # As it was kept when windows had no gap.
    assert '"gap"' not in defined()
    twice = defined(deduplicate=["b", "a", "b"])
    assert twice == defined(deduplicate=["a", "b"])
    changed = [
        defined(event_time={"column": "other"}),
        defined(event_time={"column": "at", "time_zone": "Asia/Tokyo"}),
        defined(window={"duration": "10 minutes"}),
        defined(where="x > 1"),
        defined(group_by=["x"]),
        defined(aggregates={"rows": "count(x)"}),
        defined(deduplicate=["x"]),
    ]
    assert len({defined(), *changed}) == 8


def test_a_kept_definition_stays_as_it_was_written() -> None:
    """Word for word, as a release before sessions wrote it of tumbling windows."""
    silver = {
        "name": "orders",
        "event_time": {"column": "at"},
        "group_by": ["customer"],
        "aggregates": {"rows": "count(*)"},
    }

    assert SilverConfig.model_validate(silver).definition == KEPT


def test_a_definition_of_before_deduplication_is_that_of_today() -> None:
    """Or every table of an earlier release would be refused."""
    kept = SilverConfig.model_validate(SILVER | {"deduplicate": False}).definition

    assert "deduplicate" not in json.loads(kept)


@pytest.mark.parametrize(
    "sql",
    [
        "sum(x) FILTER (WHERE y > 1)",
        "first(x, true)",
        "any_value(x) RESPECT NULLS",
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY x)",
        "max(struct(a, b)).b",
        "collect_list(x)[0]",
        "try_divide(sum(a), sum(b)) * 1.0",
        "sum(CASE WHEN a THEN 1 ELSE 0 END)",
        "NOT bool_and(a)",
    ],
)
def test_usual_aggregates_are_taken(sql: str) -> None:
    """As Spark writes them."""
    aggregates = {"n": sql}

    assert SilverConfig.model_validate(SILVER | {"aggregates": aggregates})


@pytest.mark.parametrize("text", ["0 hours", "soon", "1 month", 5])
def test_a_freshness_that_is_no_duration_is_refused_by_name(text: object) -> None:
    """A limit of nothing would warn at every audit."""
    raw = {"name": "orders", "bronze": {"freshness": text}}
    with pytest.raises(ValidationError, match=r"bronze\.freshness"):
        PipelineConfig.model_validate(raw)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"on_duplicate": "warn"}, "needs the columns of the key"),
        (
            {"on_duplicate": "quarantine", "unique_key": ["id"]},
            "'on_duplicate' has no quarantine",
        ),
        (
            {
                "on_duplicate": "fail",
                "unique_key": ["id"],
                "expectations": {"unique_key": {"expect": "id > 0"}},
            },
            "call the expectation otherwise",
        ),
    ],
)
def test_a_check_of_keys_that_cannot_work_is_refused(
    keys: dict[str, object], reason: str
) -> None:
    """When the file is loaded, with the reason."""
    with pytest.raises(ValidationError, match=reason):
        PipelineConfig.model_validate({"name": "orders", "bronze": keys})
