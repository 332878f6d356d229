from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.errors import Condition, UsageError
from sluice.formats.registry import FORMATS, format_class
from sluice.options.filters import AgeRules
from sluice.options.incremental import IncrementalListing
from sluice.options.options import (
    _warn_of_max_age,
    parse_options,
    warn_of_passed_over,
    with_prefixes,
)
from sluice.options.table import OPTIONS, EvolutionMode
from sluice.values import Option

GIVEN = {"path": "/in", "cloudFiles.format": "json", "cloudFiles.schemaLocation": "/s"}


DOCS = Path(__file__).parents[3] / "docs/options.md"
# Each option of which one value is accepted, with a format that has it.
REFUSED = [
    *(("json", row) for row in OPTIONS if row.only is not None),
    *(
        (name, row)
        for name in FORMATS
        for row in format_class(name).options
        if row.only is not None
    ),
]
# Each table of options, and what holds the values where nothing is given.
TABLES = [
    (OPTIONS, parse_options(GIVEN)),
    *((format_class(name).options, format_class(name)()) for name in FORMATS),
]
# What they mean depends on others, so that leaving them out is a value too.
OPEN = {"evolution_mode", "rescued_column", "bad_files"}


def refusal(**options: str) -> UsageError:
    """Return the error with which these options are refused."""
    with pytest.raises(UsageError) as caught:
        parse_options(GIVEN | options)
    return caught.value


def test_defaults_are_auto_loaders() -> None:
    """Code that leaves an option out gets what it would get there."""
    options = parse_options(GIVEN)

    assert options.path == "/in"
    assert options.schema_location == "/s"
    assert options.max_files is None
    assert options.max_bytes is None
    assert not options.infer_column_types
    assert options.recursive
    assert options.bad_files is None


def test_names_are_read_in_any_case() -> None:
    """Spark hands option names over in lower case."""
    options = parse_options(
        {name.lower(): value for name, value in GIVEN.items()}
        | {"cloudfiles.maxfilespertrigger": "3", "CLOUDFILES.MAXBYTESPERTRIGGER": "1k"}
    )

    assert (options.max_files, options.max_bytes) == (3, 1024)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("cloudFiles.maxFilePerTrigger", "'cloudFiles.maxFilesPerTrigger'"),
        ("cloudFiles.schemaLocaton", "'cloudFiles.schemaLocation'"),
        ("CLOUDFILES.schemaLocaton", "'cloudFiles.schemaLocation'"),
        ("sluice.badFile", "'sluice.badFiles'"),
        ("cloudFiles.qqqqqqqqqqqqqqqqqqqqq", "docs/options.md"),
    ],
)
def test_unknown_option_names_the_nearest(name: str, nearest: str) -> None:
    """An option that is misspelled must not be passed over."""
    error = refusal(**{name: "1"})

    assert error.condition is Condition.OPTION_UNKNOWN
    assert error.context == {"option": name}
    assert nearest in error.message


def test_unknown_option_without_a_prefix_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Public code carries options of other readers, and Auto Loader lets them be."""
    options = parse_options(GIVEN | {"inferSchema": "true", "mergeSchema": "true"})
    warn_of_passed_over(options)

    assert options.passed_over == ("inferSchema", "mergeSchema")
    (record,) = caplog.records
    assert "'inferSchema', 'mergeSchema'" in record.getMessage()
    caplog.clear()
    warn_of_passed_over(parse_options(GIVEN))
    assert not caplog.records


def test_unknown_option_is_let_through_on_request() -> None:
    """``validateOptions=false`` is Auto Loader's own way out."""
    options = parse_options(
        GIVEN | {"cloudFiles.validateOptions": "false", "cloudFiles.x": "1"}
    )

    assert options.path == "/in"


def test_option_of_later_is_refused_unless_it_changes_nothing() -> None:
    """An option that is known but not built is never ignored in silence."""
    error = refusal(**{"cloudFiles.useNotifications": "true"})
    assert error.condition is Condition.OPTION_UNSUPPORTED
    assert error.context == {"option": "cloudFiles.useNotifications"}

    parse_options(GIVEN | {"cloudFiles.useNotifications": "FALSE"})


@pytest.mark.parametrize(
    ("given", "missing", "corrupt"),
    [
        ({}, False, False),
        ({"ignoreMissingFiles": "true"}, True, False),
        ({"ignoreCorruptFiles": "true"}, False, True),
        ({"sluice.badFiles": "quarantine"}, True, True),
        ({"badRecordsPath": "/bad"}, True, True),
    ],
)
def test_policy_says_which_bad_files_are_left_out(
    given: dict[str, str], missing: bool, corrupt: bool
) -> None:
    """None at all unless it is asked for."""
    options = parse_options(GIVEN | given)

    assert (options.ignores_missing, options.ignores_corrupt) == (missing, corrupt)


@pytest.mark.parametrize(
    ("source_format", "row"), REFUSED, ids=lambda each: getattr(each, "name", each)
)
def test_other_value_is_refused_with_what_to_do(
    source_format: str, row: Option
) -> None:
    """The one value that says what happens here anyway is accepted."""
    given = GIVEN | {"cloudFiles.format": source_format}
    plain = parse_options(given)

    error = refusal(**{"cloudFiles.format": source_format, row.name: "another"})
    accepted = [row.only, row.default] if row.default else [row.only]

    assert error.condition is Condition.OPTION_UNSUPPORTED
    assert error.context == {"option": row.name}
    assert row.instead in error.message
    assert [parse_options(given | {row.name: each}) for each in accepted] == (
        [plain] * len(accepted)
    )


@pytest.mark.parametrize(
    ("source_format", "name", "value"),
    [
        ("json", "cloudFiles.cleanSource.waitForCompletion", "true"),
        ("csv", "lineSep", "\r\n"),
        ("csv", "mergeSchema", "false"),
        ("csv", "enforceSchema", "true"),
        ("parquet", "mergeSchema", "true"),
    ],
)
def test_option_that_changes_nothing_is_read(
    source_format: str, name: str, value: str
) -> None:
    """So that a value that is none is found."""
    given = GIVEN | {"cloudFiles.format": source_format}

    assert parse_options(given | {name: value}) == parse_options(given)
    with pytest.raises(UsageError, match=name):
        parse_options(given | {name: "perhaps"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cloudFiles.maxFilesPerTrigger", "0"),
        ("cloudFiles.maxFilesPerTrigger", "-1"),
        ("cloudFiles.maxFilesPerTrigger", "ten"),
        ("cloudFiles.maxBytesPerTrigger", "1.5g"),
        ("cloudFiles.maxBytesPerTrigger", ""),
        ("cloudFiles.maxBytesPerTrigger", "0"),
        ("sluice.maxPartitionBytes", "0m"),
        ("cloudFiles.inferColumnTypes", "yes"),
        ("cloudFiles.schemaEvolutionMode", "addColumns"),
        ("sluice.badFiles", "skip"),
        ("mode", "strict"),
        ("sluice.minFileAge", "30"),
        ("sluice.minFileAge", "0s"),
        ("cloudFiles.backfillInterval", "1 month"),
        ("cloudFiles.backfillInterval", "one day"),
        ("cloudFiles.maxFileAge", "old"),
        ("cloudFiles.useIncrementalListing", "yes"),
        ("cloudFiles.includeExistingFiles", "1"),
        ("modifiedAfter", "yesterday"),
    ],
)
def test_wrong_value_is_refused(name: str, value: str) -> None:
    """A limit of nothing, or a word that is no flag, would stall or surprise later."""
    error = refusal(**{name: value})
    assert error.condition is Condition.OPTION_INVALID
    assert name in str(error)


@pytest.mark.parametrize(
    ("given", "drops"),
    [
        ({}, False),
        ({"mode": "FAILFAST"}, False),
        ({"mode": "dropmalformed"}, True),
        ({"badRecordsPath": "/bad"}, True),
        ({"badRecordsPath": "/bad", "mode": "PERMISSIVE"}, True),
    ],
)
def test_records_are_dropped_where_it_is_asked_for(
    given: dict[str, str], drops: bool
) -> None:
    """A place for them asks for it as well, as on Databricks."""
    assert parse_options(GIVEN | given).drops_malformed is drops


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"badRecordsPath": "/bad", "mode": "FAILFAST"}, "'mode'"),
        ({"badRecordsPath": "/bad", "sluice.badFiles": "fail"}, "bronze.bad_files"),
        ({"badRecordsPath": f"{GIVEN['path']}/bad"}, "badRecordsPath"),
        ({"cloudFiles.format": "parquet", "badRecordsPath": "/bad"}, "badRecordsPath"),
        ({"cloudFiles.format": "text", "mode": "DROPMALFORMED"}, "'mode'"),
    ],
)
def test_dropping_that_contradicts_is_refused(
    given: dict[str, str], named: str
) -> None:
    """Neither of two options that say different things is passed over."""
    error = refusal(**given)

    assert error.condition is Condition.OPTION_INVALID
    assert named in error.message


@pytest.mark.parametrize("mode", list(EvolutionMode))
def test_every_evolution_mode_is_known(mode: EvolutionMode) -> None:
    """All four names are accepted, in any case."""
    name = "cloudFiles.schemaEvolutionMode"
    for spelling in (mode.value, mode.value.upper()):
        assert parse_options(GIVEN | {name: spelling}).evolution_mode is mode


def test_path_and_format_are_required() -> None:
    """A stream of nothing in no format is refused before Spark plans it."""
    for missing in ("path", "cloudFiles.format"):
        with pytest.raises(UsageError) as caught:
            parse_options({k: v for k, v in GIVEN.items() if k != missing})
        assert caught.value.condition is Condition.OPTION_MISSING
    assert refusal(**{"cloudFiles.format": "avro"}).condition is (
        Condition.OPTION_UNSUPPORTED
    )


def test_without_schema_location_it_follows_from_what_is_discovered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two streams that take different files of a folder must not share a ledger."""
    monkeypatch.setenv("SLUICE_LAKE", "/lake")
    given = {"path": "/in", "cloudFiles.format": "json"}
    selections = [
        {},
        {"pathGlobFilter": "*.gz"},
        {"recursiveFileLookup": "false"},
        {"modifiedAfter": "2026-01-01"},
        {"modifiedBefore": "2026-01-01"},
        {"cloudFiles.useStrictGlobber": "true"},
    ]

    options = [parse_options(given | each) for each in selections]

    locations = [each.schema_location for each in options]
    assert len(set(locations)) == len(selections)
    assert all(each.startswith("/lake/schemas/_path_") for each in locations)
    assert not any(each.schema_location_given for each in options)
    tuned = parse_options(given | {"cloudFiles.maxFilesPerTrigger": "3"})
    assert tuned.schema_location == locations[0]


@pytest.mark.parametrize("where", ["cloudFiles.schemaLocation", "SLUICE_LAKE"])
def test_ledger_is_not_put_where_no_table_can_be(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delta's reader would write to another folder, or panic."""
    monkeypatch.setenv("SLUICE_LAKE", "/a%20b" if where == "SLUICE_LAKE" else "/lake")
    given = {"path": "/in%20[1]", "cloudFiles.format": "json"}
    if where != "SLUICE_LAKE":
        given[where] = "/a%20b"

    with pytest.raises(UsageError, match="cannot hold Delta tables"):
        parse_options(given)


def test_discovery_options_are_read_as_documented() -> None:
    """One line each, as a notebook has them."""
    options = parse_options(
        GIVEN
        | {
            "cloudFiles.backfillInterval": "1 day",
            "cloudFiles.allowOverwrites": "true",
            "cloudFiles.includeExistingFiles": "false",
            "cloudFiles.useIncrementalListing": "Auto",
            "cloudFiles.useStrictGlobber": "true",
            "modifiedAfter": "2026-01-01T00:00:00",
            "modifiedBefore": "2026-01-02 00:00:00+01:00",
            "sluice.minFileAge": "30s",
        }
    )

    assert options.backfill_interval == timedelta(days=1)
    assert options.allow_overwrites
    assert not options.include_existing
    assert options.incremental_listing is IncrementalListing.AUTO
    assert options.strict_globber
    assert options.age_rules == AgeRules(
        modified_after=datetime(2026, 1, 1, tzinfo=UTC),
        modified_before=datetime(2026, 1, 1, 23, tzinfo=UTC),
        min_age=timedelta(seconds=30),
    )


@pytest.mark.parametrize("spelled", ["binaryFile", "binaryfile", "BINARYFILE"])
def test_format_is_read_in_any_case(spelled: str) -> None:
    """As Spark reads it."""
    options = parse_options(GIVEN | {"cloudFiles.format": spelled})

    assert options.format == format_class("binaryFile")()


@pytest.mark.parametrize(
    ("source_format", "name", "value"),
    [
        ("text", "encoding", "latin1"),
        ("text", "lineSep", ""),
        ("binaryFile", "sluice.maxContentBytes", "2g"),
        ("parquet", "sluice.maxContentBytes", "1g"),
    ],
)
def test_option_of_a_format_is_refused_by_name(
    source_format: str, name: str, value: str
) -> None:
    """What is not built, or not this format's, would be passed over in silence."""
    error = refusal(**{"cloudFiles.format": source_format, name: value})

    assert name in error.message


def test_docs_name_the_formats() -> None:
    """A format without documentation is not used."""
    text = DOCS.read_text()
    (row,) = re.findall(r"^\| `cloudFiles.format` .*$", text, flags=re.MULTILINE)

    assert [name for name in FORMATS if f"`{name}`" not in row] == []


@pytest.mark.parametrize(
    ("row", "holder"),
    [
        (row, holder)
        for rows, holder in TABLES
        for row in rows
        if row.default and row.only is None
    ],
)
def test_default_is_what_leaving_it_out_means(row: Option, holder: object) -> None:
    """The table that a reader sees and the value that applies are two places."""
    kept = getattr(holder, row.field or "", None)

    assert row.default is not None
    assert kept == (None if row.field in OPEN | {None} else row.parse(row.default))


def test_max_file_age_is_accepted_and_does_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Auto Loader forgets files by it; to pass over old files would lose them."""
    _warn_of_max_age.cache_clear()
    with caplog.at_level(logging.WARNING):
        options = [
            parse_options(GIVEN | {"cloudFiles.maxFileAge": "90 days"})
            for _ in range(2)
        ]

    assert options == [parse_options(GIVEN)] * 2
    assert caplog.text.count("every file is always remembered") == 1


def test_names_of_read_files_get_the_prefix() -> None:
    """SQL leaves ``cloudFiles.`` out, and names of the format and of ours stay."""
    named = {
        "path": "/in",
        "FORMAT": "csv",
        "schemaLocation": "/s",
        "header": "true",
        "cloudFiles.inferColumnTypes": "true",
        "maxFilesPerTrigger": "3",
    }

    given = with_prefixes(named | {"sluice.readFiles": "true"})

    options = parse_options(given)
    assert not options.passed_over
    assert (options.schema_location, options.max_files) == ("/s", 3)
    assert options.infer_column_types
    assert options.format.name == "csv"
    assert with_prefixes(GIVEN | {"header": "true"}) == GIVEN | {"header": "true"}


def test_unknown_name_of_read_files_is_refused() -> None:
    """A typo would otherwise be passed over, as an option that is meant for Spark."""
    named = {"path": "/in", "format": "json", "schemaLocatoin": "/s"}

    with pytest.raises(UsageError, match=r"did you mean 'cloudFiles\.schemaLocation'"):
        parse_options(with_prefixes(named | {"sluice.readFiles": "true"}))


def test_read_files_needs_a_format() -> None:
    """The format is what decides which names are known."""
    with pytest.raises(UsageError) as caught:
        with_prefixes({"path": "/in", "sluice.readFiles": "true"})
    assert caught.value.condition is Condition.OPTION_MISSING
