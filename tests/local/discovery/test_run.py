"""Discovery over a real folder and a real ledger, option by option."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from sluice.discovery import compare as scan_module
from sluice.discovery import listing as listing_module
from sluice.discovery.progress import selection_id
from sluice.discovery.run import Discovery, discover, find_new
from sluice.discovery.watcher import LIFETIME, Heartbeat, beat
from sluice.errors import Condition, UsageError
from sluice.ledger import ledger as ledger_module
from sluice.ledger.ledger import Ledger
from sluice.model import CHAIN_START, LedgerFile, SeqRange
from sluice.options.incremental import (
    IncrementalListing,
    Listing,
    load_state,
    save_state,
)
from sluice.options.options import CloudFilesOptions

DAY = timedelta(days=1)


@dataclass
class Landing:
    """A landing folder, its ledger and the options of the stream over it."""

    root: Path
    options: CloudFilesOptions = field(init=False)

    def __post_init__(self) -> None:
        """Make the folder."""
        self.folder.mkdir()
        self.options = CloudFilesOptions(
            path=str(self.folder), schema_location=str(self.root / "schemas")
        )

    @property
    def folder(self) -> Path:
        """The landing folder."""
        return self.root / "in"

    @property
    def ledger(self) -> Ledger:
        """The ledger, made where it is not there yet."""
        return Ledger.open_or_create(self.options.schema_location)

    def land(self, *names: str, text: str = "{}", age: float | None = None) -> None:
        """Write files, modified so many seconds ago."""
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if age is not None:
                moment = datetime.now(UTC).timestamp() - age
                os.utime(path, (moment, moment))

    def discover(self, **options: object) -> Discovery:
        """Discover once, with some options changed from now on."""
        self.options = replace(self.options, **options)
        return discover(self.ledger, self.options, run_id="run")

    def names(self) -> list[str]:
        """Return the names in the ledger in order of seq."""
        return [self.name(file) for file in self.ledger.files()]

    def name(self, file: LedgerFile) -> str:
        """Return the name of a file below the folder."""
        return str(Path(file.path).relative_to(self.folder))

    def set_last_full(self, ago: timedelta) -> None:
        """Let the last full listing have been so long ago."""
        ledger = self.ledger
        kept = load_state(ledger.root, ledger.ledger_id, selection_id(self.options))
        assert kept is not None
        moved = msgspec.structs.replace(kept, full_at=datetime.now(UTC) - ago)
        save_state(ledger.root, moved)


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """Return an empty landing folder."""
    return Landing(tmp_path)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each path that is looked at is added."""
    paths: list[str] = []
    stat = os.stat

    def counted(path, *arguments, **keywords):
        if isinstance(path, str) and path.endswith(".json"):
            paths.append(Path(path).name)
        return stat(path, *arguments, **keywords)

    monkeypatch.setattr(listing_module.os, "stat", counted)
    return paths


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
    """``allowOverwrites`` means that size, time and etag tell versions apart."""
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


# Incremental listing


@pytest.fixture
def growing(landing: Landing) -> Landing:
    """Return a folder a day, of which all files are known, listed incrementally."""
    for day in ("01", "02", "03"):
        landing.land(*(f"{day}/{hour:02}.json" for hour in range(5)), age=60)
    landing.discover(incremental_listing=IncrementalListing.TRUE, backfill_interval=DAY)
    return landing


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the name of each folder that is listed is added."""
    names: list[str] = []
    scandir = os.scandir

    def counted(folder):
        names.append(Path(folder).name)
        return scandir(folder)

    monkeypatch.setattr(listing_module.os, "scandir", counted)
    return names


def test_incremental_listing_costs_what_is_new(
    growing: Landing, looked: list[str], opened: list[str], rows_read: list[int]
) -> None:
    """Neither folders nor rows of what is known are read, however many they are."""
    growing.land("03/05.json", "04/00.json")
    looked.clear()

    done = growing.discover()

    assert (done.files, done.listing) == (2, Listing.INCREMENTAL)
    assert sorted(looked) == ["00.json", "05.json"]
    assert sorted(opened) == ["03", "04", "in"]
    assert sum(rows_read) <= 4


@pytest.fixture
def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the number of rows of each read is added."""
    counts: list[int] = []
    batches = ledger_module.FilesSnapshot.batches
    files = ledger_module.FilesSnapshot.files

    def counted(self, columns, *, after=0):
        for batch in batches(self, columns, after=after):
            counts.append(batch.num_rows)
            yield batch

    def counted_files(self, after=0, up_to=None):
        found = files(self, after, up_to)
        counts.append(len(found))
        return found

    monkeypatch.setattr(ledger_module.FilesSnapshot, "batches", counted)
    monkeypatch.setattr(ledger_module.FilesSnapshot, "files", counted_files)
    return counts


def test_name_out_of_order_is_found_by_the_full_listing_and_reported(
    growing: Landing, caplog: pytest.LogCaptureFixture
) -> None:
    """Other loaders lose it for ever; here the miss rate is measured."""
    growing.land("02/99.json", "04/00.json")
    assert growing.discover().files == 1
    assert growing.discover().files == 0
    growing.set_last_full(2 * DAY)

    done = growing.discover()

    assert (done.listing, done.files, done.missed) == (Listing.FULL, 1, 1)
    assert done.since_full == 2
    assert "1 of the 2 files since the last one had been missed" in caplog.text
    assert growing.discover().listing is Listing.INCREMENTAL


def test_young_file_is_not_passed_by_the_cursor(growing: Landing) -> None:
    """A younger name that waits must be found by the next incremental listing."""
    growing.options = replace(growing.options, min_file_age=timedelta(seconds=30))
    assert growing.discover().listing is Listing.FULL  # the rules have changed
    growing.land("04/01.json", age=0)
    growing.land("04/02.json", age=60)
    assert growing.discover().files == 1
    growing.land("04/01.json", age=60)

    done = growing.discover()

    assert (done.files, done.listing) == (1, Listing.INCREMENTAL)
    assert growing.discover().files == 0


def test_young_file_behind_the_cursor_makes_the_next_listing_full(
    growing: Landing,
) -> None:
    """Found by a full listing, it would never be seen by another kind."""
    growing.land("02/99.json", age=0)
    assert growing.discover(min_file_age=timedelta(seconds=30)).waiting == 1
    growing.land("02/99.json", age=60)

    done = growing.discover()

    assert (done.files, done.listing) == (1, Listing.FULL)


def test_old_or_damaged_state_doubles_nothing(growing: Landing) -> None:
    """What is kept beside the ledger is for speed only."""
    kept = Path(growing.ledger.root, "listing.json")
    old = kept.read_bytes()
    growing.land("04/00.json")
    growing.discover()
    kept.write_bytes(old)
    assert growing.discover().files == 0
    kept.write_bytes(b"{")
    assert growing.discover().files == 0
    kept.unlink()

    assert growing.discover().files == 0
    assert len(set(growing.names())) == len(growing.names()) == 16


def test_auto_begins_once_names_have_come_in_order(landing: Landing) -> None:
    """And ends with the first that has not."""
    landing.options = replace(
        landing.options, incremental_listing=IncrementalListing.AUTO
    )
    seen = []
    for number in range(5):
        landing.land(f"{number + 1}.json")
        seen.append(landing.discover().listing)
    assert seen == [Listing.FULL] * 3 + [Listing.INCREMENTAL] * 2
    landing.land("0.json")
    later = [landing.discover() for _ in range(7)]

    found = next(each for each in later if each.files)
    assert (found.listing, found.missed) == (Listing.FULL, 1)
    assert later[-1].listing is Listing.FULL


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


# A watcher


def watched_by(landing: Landing, *, since: timedelta) -> None:
    """Let a watcher be alive beside the ledger."""
    now = datetime.now(UTC)
    ledger = landing.ledger
    sign = Heartbeat(
        ledger=ledger.ledger_id,
        selection=selection_id(landing.options),
        holder="test",
        since=now - since,
        expires=now + LIFETIME,
    )
    beat(ledger.root, sign)


def test_under_a_watcher_misses_are_counted_by_the_full_listing(
    landing: Landing, opened: list[str]
) -> None:
    """Runs list nothing in between, so the proof must come every interval."""
    watched_by(landing, since=2 * DAY)
    landing.land("a.json", age=600)
    assert landing.discover().listing is Listing.FULL
    opened.clear()
    landing.land("missed.json", age=600)
    landing.land("underway.json", age=1)
    assert landing.discover().listing is Listing.NONE
    assert opened == []
    landing.set_last_full(DAY)

    done = landing.discover()

    assert (done.listing, done.files, done.missed) == (Listing.FULL, 2, 1)


def test_files_from_before_the_watcher_are_no_misses(landing: Landing) -> None:
    """It was not there to see them."""
    watched_by(landing, since=2 * DAY)
    landing.land("a.json", age=600)
    landing.discover()
    watched_by(landing, since=timedelta(hours=1))
    landing.set_last_full(DAY)
    landing.land("b.json", age=600)

    done = landing.discover()

    assert (done.files, done.missed) == (1, 0)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sign: {**sign, "expires": "2020-01-01T00:00:00Z"},
        lambda sign: {**sign, "expires": "2999-01-01T00:00:00Z"},
        lambda sign: {**sign, "selection": "others"},
        lambda sign: {**sign, "ledger": "other"},
        lambda sign: {},
    ],
    ids=["dead", "wrong clock", "other files", "other ledger", "damaged"],
)
def test_run_lists_by_itself_without_a_living_watcher(
    landing: Landing, spoil: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    """A file must not wait for somebody who is gone, or watches something else."""
    watched_by(landing, since=DAY)
    landing.discover()
    path = Path(landing.ledger.root, "watch.json")
    path.write_bytes(msgspec.json.encode(spoil(msgspec.json.decode(path.read_bytes()))))
    landing.land("a.json")

    done = landing.discover()

    assert (done.listing, done.files) == (Listing.FULL, 1)
