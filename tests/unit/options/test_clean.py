from __future__ import annotations

from datetime import timedelta

import pytest

from sluice.errors import Condition, UsageError
from sluice.options.clean import CleanMode, parse_clean_mode
from sluice.options.options import CloudFilesOptions, parse_options

CLEAN = "cloudFiles.cleanSource"


def parse(path: str = "/in", **options: str) -> CloudFilesOptions:
    """Parse the options of a stream; the names are those after ``cleanSource``."""
    given = {f"{CLEAN}.{name}" if name else CLEAN: v for name, v in options.items()}
    needed = {"path": path, "cloudFiles.format": "json"}
    return parse_options(needed | {"cloudFiles.schemaLocation": "/s"} | given)


@pytest.mark.parametrize(
    ("text", "retention"),
    [
        ("1 month", timedelta(days=31)),
        ("interval 1 day 12 hours", timedelta(days=1, hours=12)),
        ("0 seconds", timedelta()),
    ],
)
def test_retention_is_an_interval(text: str, retention: timedelta) -> None:
    """As Auto Loader spells it; a month is its longest, for longer is safe."""
    assert parse(retentionDuration=text).clean_retention == retention


def test_wrong_retention_is_refused() -> None:
    """A retention that is misread deletes too early."""
    with pytest.raises(UsageError, match=f"{CLEAN}.retentionDuration.*a duration"):
        parse(retentionDuration="1 day x")


@pytest.mark.parametrize(
    ("text", "mode"),
    [("off", CleanMode.OFF), ("Move", CleanMode.MOVE), ("DELETE", CleanMode.DELETE)],
)
def test_mode_is_known_in_any_case(text: str, mode: CleanMode) -> None:
    """Spark hands options in any case."""
    assert parse_clean_mode(text) is mode


def test_off_of_a_yaml_file_is_off() -> None:
    """YAML reads a bare OFF as false, which must not stop a pipeline."""
    assert parse_clean_mode("false") is CleanMode.OFF
    with pytest.raises(ValueError, match="MOVE"):
        parse_clean_mode("true")


@pytest.mark.parametrize("retention", ["7 days", "1 hour", "168 hours"])
def test_deleting_within_a_week_is_refused(retention: str) -> None:
    """As documented: more than seven days, for it cannot be taken back."""
    with pytest.raises(UsageError, match="more than 7 days"):
        parse(**{"": "DELETE", "retentionDuration": retention})


def test_deleting_later_and_moving_at_once_are_allowed() -> None:
    """The default is 30 days, and what is moved can be moved back."""
    assert parse(**{"": "DELETE"}).clean_retention == timedelta(days=30)
    longer = parse(**{"": "DELETE", "retentionDuration": "7 days 1 second"})
    assert longer.clean_source is CleanMode.DELETE
    soon = {"": "MOVE", "retentionDuration": "0 days", "moveDestination": "/out/"}
    moved = parse(**soon)
    assert (moved.clean_retention, moved.move_destination) == (timedelta(), "/out")


def test_moving_needs_a_destination() -> None:
    """Without one there is nothing sensible to do."""
    with pytest.raises(UsageError) as caught:
        parse(**{"": "MOVE"})
    assert caught.value.condition is Condition.OPTION_MISSING


@pytest.mark.parametrize(
    ("path", "destination"),
    [
        ("/in", "/in"),
        ("/in", "/in/archive"),
        ("/in", "file:/in/archive"),
        ("/lake/in", "/lake"),
        ("s3://bucket/in", "s3://bucket/in/archive"),
    ],
)
def test_destination_within_the_source_or_around_it_is_refused(
    path: str, destination: str
) -> None:
    """Moved files would be read again."""
    with pytest.raises(UsageError, match="moveDestination"):
        parse(path, **{"": "MOVE", "moveDestination": destination})


@pytest.mark.parametrize("destination", ["/out", "s3://other/out"])
def test_destination_in_another_storage_is_refused(destination: str) -> None:
    """As documented: a move stays within one bucket."""
    with pytest.raises(UsageError, match="moveDestination"):
        parse("s3://bucket/in", **{"": "MOVE", "moveDestination": destination})


def test_destination_beside_the_source_is_allowed() -> None:
    """A name that begins alike is another folder."""
    options = parse("/in", **{"": "MOVE", "moveDestination": "/in-archive"})
    assert options.move_destination == "/in-archive"
