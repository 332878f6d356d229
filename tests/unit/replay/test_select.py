"""Which files may be read again, decided without a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sluice.errors import Condition, UsageError
from sluice.model import FileState
from sluice.replay.select import (
    KnownVersion,
    LeftOutReason,
    Selection,
    choose,
    matching_paths,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
LANDING = "/lake/landing/orders"


def version(seq: int, name: str, *, minute: int = 0) -> KnownVersion:
    """Return a file below the landing folder, discovered at a minute."""
    return KnownVersion(seq, f"{LANDING}/{name}", START + timedelta(minutes=minute))


def chosen(*versions: KnownVersion, **selection: object) -> dict[str, int]:
    """Return the seqs that a selection means, by the path below the landing folder."""
    found = matching_paths(versions, Selection(**selection), LANDING)
    return {path.removeprefix(f"{LANDING}/"): seq for path, seq in found.items()}


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("*.json", {"a.json", "day=1/b.json", "c[1].json"}),
        ("day=1/*", {"day=1/b.json"}),
        (f"{LANDING}/a.*", {"a.json"}),
        ("a.json", {"a.json"}),
        ("b.json", {"day=1/b.json"}),
        ("*/b.json", {"day=1/b.json"}),
        ("*/a.json", set()),
        (f"{LANDING}/*", {"a.json", "day=1/b.json", "c[1].json"}),
        (f"{LANDING}/*.json", {"a.json", "c[1].json"}),
        ("{a,b}.json", {"a.json", "day=1/b.json"}),
        ("c[1].json", {"c[1].json"}),
        (f"{LANDING}/c[1].json", {"c[1].json"}),
        ("A.JSON", set()),
    ],
)
def test_a_glob_means_a_name_a_path_or_what_is_below_the_landing_folder(
    glob: str, names: set[str]
) -> None:
    """A path as ``sluice files`` shows it means its file, brackets or not."""
    versions = [version(1, "a.json"), version(2, "day=1/b.json")]
    versions += [version(3, "c[1].json")]

    assert set(chosen(*versions, globs=(glob,))) == names


def test_any_of_several_globs_will_do() -> None:
    """Each names some more files."""
    versions = [version(1, "a.json"), version(2, "b.json"), version(3, "c.json")]

    assert set(chosen(*versions, globs=("a*", "c*"))) == {"a.json", "c.json"}


@pytest.mark.parametrize(
    ("since", "until", "names"),
    [(None, 2, "ab"), (1, None, "bc"), (1, 2, "b"), (0, 3, "abc")],
)
def test_time_of_discovery_is_bounded_half_open(
    since: int | None, until: int | None, names: str
) -> None:
    """So the windows of two replays meet without overlap."""
    versions = [version(n + 1, name, minute=n) for n, name in enumerate("abc")]
    bounds = {
        name: START + timedelta(minutes=minute)
        for name, minute in (("since", since), ("until", until))
        if minute is not None
    }

    assert "".join(sorted(chosen(*versions, **bounds))) == names


def test_time_and_glob_must_both_hold() -> None:
    """Both together select fewer files, not more."""
    versions = [version(1, "a.json"), version(2, "b.json", minute=5)]

    assert chosen(*versions, globs=("*",), since=START + timedelta(minutes=1)) == {
        "b.json": 2
    }
    assert chosen(*versions, globs=("a*",), since=START + timedelta(minutes=1)) == {}


def test_the_newest_version_of_a_path_counts_whichever_was_meant() -> None:
    """The landing folder holds no other."""
    versions = [version(7, "a.json", minute=9), version(1, "a.json")]

    assert chosen(*versions, until=START + timedelta(minutes=1)) == {"a.json": 7}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (FileState.INGESTED, None),
        (FileState.ARCHIVED, None),
        (FileState.QUARANTINED, None),
        (FileState.IN_FLIGHT, LeftOutReason.IN_FLIGHT),
        (FileState.DISCOVERED, LeftOutReason.UNREAD),
        (FileState.REPLACED, LeftOutReason.CHANGED),
        (FileState.SKIPPED, LeftOutReason.SKIPPED),
        (None, LeftOutReason.UNREAD),
    ],
)
def test_only_what_the_table_has_is_read_again(
    state: FileState | None, reason: LeftOutReason | None
) -> None:
    """Or what is in quarantine, once its micro-batch is in the table."""
    states = {} if state is None else {4: state}
    ready, left_out = choose({"a": 4}, states, committed_up_to=4)

    assert ready == ([] if reason else [4])
    assert [each.reason for each in left_out] == ([reason] if reason else [])


@pytest.mark.parametrize("state", [FileState.QUARANTINED, FileState.INGESTED])
def test_a_range_that_is_not_committed_is_left_to_its_batch(state: FileState) -> None:
    """A driver that planned before the file went to quarantine may still write it."""
    ready, left_out = choose({"a": 5}, {5: state}, committed_up_to=4)

    assert ready == []
    assert [each.reason for each in left_out] == [LeftOutReason.IN_FLIGHT]


def test_files_come_by_seq() -> None:
    """Two replays list the files in one order."""
    states = dict.fromkeys((1, 2, 3), FileState.INGESTED)

    assert choose({"b": 3, "c": 1, "a": 2}, states, committed_up_to=3)[0] == [1, 2, 3]


def test_a_replay_of_everything_must_be_asked_for() -> None:
    """A forgotten option is no wish to read all files again."""
    with pytest.raises(UsageError) as caught:
        Selection()
    assert caught.value.condition is Condition.USAGE


def test_an_empty_time_is_refused() -> None:
    """Bounds the wrong way round would select nothing, in silence."""
    with pytest.raises(UsageError):
        Selection(since=START, until=START)


def test_paths_are_no_globs() -> None:
    """Thousands of them are compared as they are."""
    paths = frozenset({f"{LANDING}/c[1].json", f"{LANDING}/*"})

    assert chosen(version(1, "a.json"), version(2, "c[1].json"), paths=paths) == {
        "c[1].json": 2
    }
