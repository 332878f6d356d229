from __future__ import annotations

import pytest

from sluice.errors import Condition, UsageError
from sluice.source.options import EvolutionMode, parse_bytes, parse_options

GIVEN = {"path": "/in", "cloudFiles.format": "json", "cloudFiles.schemaLocation": "/s"}


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
    assert options.max_files == 1000
    assert options.max_bytes is None
    assert not options.infer_column_types
    assert options.recursive
    assert options.bad_files == "fail"


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
        ("maxFilesPerTriger", "'maxFilesPerTrigger'"),
        ("xyzzy", "docs/options.md"),
    ],
)
def test_unknown_option_names_the_nearest(name: str, nearest: str) -> None:
    """An option that is misspelled must not be passed over."""
    error = refusal(**{name: "1"})

    assert error.condition is Condition.OPTION_UNKNOWN
    assert error.context == {"option": name.lower()}
    assert nearest in error.message


def test_unknown_option_is_let_through_on_request() -> None:
    """``validateOptions=false`` is Auto Loader's own way out."""
    options = parse_options(GIVEN | {"cloudFiles.validateOptions": "false", "x": "1"})

    assert options.path == "/in"


def test_option_of_later_is_refused_unless_it_changes_nothing() -> None:
    """An option that is known but not built is never ignored in silence."""
    error = refusal(**{"cloudFiles.useNotifications": "true"})
    assert error.condition is Condition.OPTION_UNSUPPORTED
    assert error.context == {"option": "cloudFiles.useNotifications"}

    parse_options(GIVEN | {"cloudFiles.useNotifications": "FALSE"})


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
    ],
)
def test_wrong_value_is_refused(name: str, value: str) -> None:
    """A limit of nothing, or a word that is no flag, would stall or surprise later."""
    assert refusal(**{name: value}).condition is Condition.OPTION_INVALID


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("1k", 1 << 10),
        ("512 MB", 512 << 20),
        ("10g", 10 << 30),
        ("1Tb", 1 << 40),
    ],
)
def test_bytes_have_units(text: str, expected: int) -> None:
    """Sizes are spelled as Auto Loader spells them."""
    assert parse_bytes(text) == expected


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
    assert refusal(**{"cloudFiles.format": "csv"}).condition is (
        Condition.OPTION_UNSUPPORTED
    )


def test_without_schema_location_it_follows_from_what_is_discovered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two streams that take different files of a folder must not share a ledger."""
    monkeypatch.setenv("SLUICE_LAKE", "/lake")
    given = {"path": "/in", "cloudFiles.format": "json"}
    selections = [{}, {"pathGlobFilter": "*.gz"}, {"recursiveFileLookup": "false"}]

    options = [parse_options(given | each) for each in selections]

    locations = [each.schema_location for each in options]
    assert len(set(locations)) == len(selections)
    assert all(each.startswith("/lake/schemas/_path_") for each in locations)
    assert not any(each.schema_location_given for each in options)
    tuned = parse_options(given | {"cloudFiles.maxFilesPerTrigger": "3"})
    assert tuned.schema_location == locations[0]
