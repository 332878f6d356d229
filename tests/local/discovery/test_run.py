"""Discovery over a real folder and a real ledger, option by option."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.discovery import compare as scan_module
from sluice.discovery.run import find_new
from sluice.errors import Condition, UsageError
from sluice.ledger import ledger as ledger_module
from sluice.model import CHAIN_START, SeqRange
from sluice.options.incremental import (
    Listing,
)
from support.landing import DAY, Landing

# What is new


def test_empty_folder_has_nothing_new(landing: Landing) -> None:
    """A first run may come before the first file."""
    done = landing.discover()

    assert (done.files, done.high, done.listing) == (0, 0, Listing.FULL)


def test_new_files_are_appended_once(landing: Landing) -> None:
    """However often and in whatever order it is asked."""
    landing.land("b.json", "a.json", age=60)
    assert (landing.discover().files, landing.discover().files) == (2, 0)

    landing.land("0.json")
    done = landing.discover()

    assert (done.files, done.bytes, done.high) == (1, 2, 3)
    assert landing.names()[2] == "0.json"


def test_only_new_files_are_looked_at(landing: Landing, looked: list[str]) -> None:
    """A look costs a system call, so known files must not have one each run."""
    landing.land(*(f"{each}.json" for each in range(20)))
    landing.discover()
    looked.clear()

    landing.land("new.json")
    landing.discover()

    assert looked == ["new.json"]


ODD_NAMES = [
    "a,b.json",
    "a b.json",
    "a%20b.json",
    "g[1].json",
    "h{2}.json",
    "star*.json",
    "new\nline.json",
    "größe-订单.json",
    "e\u0301.json",
    "\u00e9.json",
    "Case.json",
    "case.json",
    "quote'.json",
    'double".json',
    "year=2026/month=01/x,y.json",
]


def test_odd_names_are_discovered_once(landing: Landing) -> None:
    """Each of these has cost the users of some other loader files."""
    landing.land(*ODD_NAMES)
    assert landing.discover().files == len(ODD_NAMES)
    assert landing.discover().files == 0
    assert sorted(landing.names()) == sorted(ODD_NAMES)


def test_times_never_exclude(landing: Landing) -> None:
    """Same second, far past, far future, made visible late: loaders lose them all."""
    landing.land("first.json", age=10)
    landing.discover()
    landing.land("same.json", age=10)
    landing.land("past.json", age=10_000_000)
    landing.land("future.json", age=-4_000_000)
    landing.land(".late.json", age=20)
    assert landing.discover().files == 3
    (landing.folder / ".late.json").rename(landing.folder / "late.json")

    assert landing.discover().files == 1
    assert landing.names()[1:] == ["past.json", "same.json", "future.json", "late.json"]


def test_more_than_ten_thousand_files_are_all_known(landing: Landing) -> None:
    """Some loaders remember no more, and then guess by time."""
    landing.land("first")
    for number in range(10_099):
        os.link(landing.folder / "first", landing.folder / f"{number}")

    assert landing.discover().files == 10_100
    assert landing.discover().files == 0


def test_many_groups_of_names_are_all_compared(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are listed ahead of the comparison, a group at a time, to the last one."""
    monkeypatch.setattr(scan_module, "_COMPARED_AT_ONCE", 2)
    names = [f"{folder}/{number}.json" for folder in range(7) for number in range(3)]
    landing.land(*names)

    assert landing.discover().files == len(names)
    assert landing.discover().files == 0


def test_files_of_a_rival_are_compared_again(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two discoverers that list the same new files the second appends the rest."""
    landing.land("shared.json", "own.json", age=9)
    found = find_new(landing.ledger, landing.options).files.taken
    rivals = iter([[file for file in found if "shared" in file.path]])
    append = ledger_module.FilesSnapshot.append

    def slow(self, files, *, run_id):
        for listed in rivals:
            landing.ledger.append_new(listed, run_id="rival")
        return append(self, files, run_id=run_id)

    monkeypatch.setattr(ledger_module.FilesSnapshot, "append", slow)

    assert landing.discover().files == 1
    assert landing.names() == ["shared.json", "own.json"]


def test_looking_changes_nothing(landing: Landing) -> None:
    """``sluice plan`` asks what a run would find, also before the first."""
    landing.land("a.json")
    assert len(find_new(None, landing.options).files.taken) == 1
    assert len(find_new(landing.ledger, landing.options).files.taken) == 1
    assert landing.names() == []


# Globs


def test_load_path_may_be_a_glob(landing: Landing) -> None:
    """Only what it names is discovered, folders and files."""
    landing.land("x/1.json", "y/2.json", "y/2.txt", "z/3.json", "4.json")
    pattern = f"{landing.folder}/{{x,y}}/*.json"

    assert landing.discover(path=pattern).files == 2
    assert sorted(landing.names()) == ["x/1.json", "y/2.json"]


def test_folder_that_exists_means_itself(tmp_path: Path) -> None:
    """A folder called ``[1]`` is no pattern."""
    landing = Landing(tmp_path)
    landing.land("[1]/a.json", "1/b.json")
    landing.discover(path=f"{landing.folder}/[1]")

    assert landing.names() == ["[1]/a.json"]


def test_glob_without_its_folder_is_refused(landing: Landing) -> None:
    """A wrong path must not look like a folder in which nothing landed."""
    with pytest.raises(UsageError) as caught:
        landing.discover(path=f"{landing.root}/none/*.json")

    assert caught.value.condition is Condition.PATH_NOT_FOUND


# Ages


def test_file_outside_of_the_times_is_counted_not_recorded(landing: Landing) -> None:
    """When the rule changes the file is found."""
    landing.land("old.json", age=3 * 86_400)
    landing.land("new.json", age=60)
    after = datetime.now(UTC) - DAY

    done = landing.discover(modified_after=after)
    assert (done.files, done.outside) == (1, 1)
    assert landing.discover(modified_after=None).files == 1


def test_young_file_waits_for_the_next_listing(landing: Landing) -> None:
    """It may be being written."""
    landing.land("young.json", age=0)
    landing.land("settled.json", age=60)

    done = landing.discover(min_file_age=timedelta(seconds=30))
    assert (done.files, done.waiting) == (1, 1)
    landing.land("young.json", age=31)
    done = landing.discover()
    assert (done.files, done.waiting) == (1, 0)


# Identity


def test_new_content_under_a_known_name_is_not_read(landing: Landing) -> None:
    """A path is read once, unless ``allowOverwrites``."""
    landing.land("a.json", age=60)
    landing.discover()
    landing.land("a.json", text="{} ")

    assert landing.discover().files == 0


def test_each_version_of_a_name_has_a_seq_with_overwrites(landing: Landing) -> None:
    """With ``allowOverwrites`` two versions differ by size, time or etag."""
    landing.land("a.json", age=60)
    landing.discover(allow_overwrites=True)
    landing.land("a.json", age=30)
    assert landing.discover().files == 1
    assert landing.discover().files == 0

    first, second = landing.ledger.files()
    assert first.path == second.path
    assert second.modified - first.modified == pytest.approx(
        timedelta(seconds=30), abs=DAY / 86_400
    )


# Existing files


def test_existing_files_are_left_out_at_the_first_start_only(landing: Landing) -> None:
    """A later change of the option has no effect, as documented."""
    landing.land("old1.json", "old2.json")
    landing.discover(include_existing=False)
    landing.land("new.json")
    landing.discover()
    assert landing.ledger.first_seq() == 2
    landing.discover(include_existing=True)
    assert landing.ledger.first_seq() == 2


def test_stream_that_has_begun_leaves_nothing_out(landing: Landing) -> None:
    """Files that it has still to read must not be dropped by an option set later."""
    landing.land("a.json")
    landing.discover()
    landing.ledger.claim(SeqRange(CHAIN_START, 1), run_id="run")
    landing.land("b.json")

    landing.discover(include_existing=False)

    assert landing.ledger.first_seq() == 0
