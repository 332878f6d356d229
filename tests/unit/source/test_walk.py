"""Both ways to walk a tree, and what becomes of the processes of one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from sluice.errors import Condition, RetryableError
from sluice.source import scan
from sluice.source.discovery import discover
from sluice.source.ledger import Ledger
from sluice.source.options import CloudFilesOptions
from sluice.source.walk import Walk, walk_beside, walk_here

BOTH = pytest.mark.parametrize("walk", [walk_here, walk_beside])
# More than a page and more than a socket holds: who reads it waits for us.
MANY = 60_000


def all_nested(folder: str, nested: Sequence[str]) -> list[str]:
    """Walk every folder."""
    return [f"{folder}/{name}" for name in nested]


def paths(walk: Walk, root: Path) -> list[str]:
    """Return the paths of a walk below ``root``, sorted."""
    found = walk(str(root), all_nested)
    return sorted(
        os.path.relpath(f"{folder}/{name}", root)
        for folder, names in found
        for name in names
    )


def readers() -> list[psutil.Process]:
    """Return the processes that read for this one."""
    found = psutil.Process().children()
    return [each for each in found if "folder_reader.py" in " ".join(each.cmdline())]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder of so many names of one file that its reader has to wait."""
    folder = tmp_path_factory.mktemp("large")
    first = folder / f"{0:040}"
    first.touch()
    for number in range(1, MANY):
        os.link(first, folder / f"{number:040}")
    return folder


@BOTH
def test_walk_gives_every_name_as_it_is(tmp_path: Path, walk: Walk) -> None:
    """Names cross a pipe joined by NUL, the one byte that none of them can hold."""
    raw = os.fsdecode(b"raw\xff.json")
    names = ["new\nline", "größe", raw, "a/b/c", "a/b/d", "z/\x01", "_hidden", "e/ "]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for folder in ("empty", "_skipped", ".skipped", "a/b/none"):
        (tmp_path / folder).mkdir()
    (tmp_path / "_skipped" / "x").touch()

    assert paths(walk, tmp_path) == sorted(names)


@BOTH
def test_walk_leaves_out_what_is_not_entered(tmp_path: Path, walk: Walk) -> None:
    """Whoever walks says where to."""
    for name in ("a/1", "b/2", "b/c/3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def only_b(folder: str, nested: Sequence[str]) -> list[str]:
        return [f"{folder}/{name}" for name in nested if name == "b"]

    assert list(walk(str(tmp_path), only_b))[-1] == (f"{tmp_path}/b", ["2"])


@BOTH
def test_folder_with_many_names_is_whole(large: Path, walk: Walk) -> None:
    """It comes in several pages, from a reader that has to wait in between."""
    assert paths(walk, large) == [f"{number:040}" for number in range(MANY)]


@BOTH
def test_what_cannot_be_read_is_told(tmp_path: Path, walk: Walk) -> None:
    """A folder that is passed over would look like one in which nothing landed."""
    (tmp_path / "file").touch()

    with pytest.raises(NotADirectoryError) as caught:
        list(walk(f"{tmp_path}/file", all_nested))

    assert caught.value.filename == f"{tmp_path}/file"
    assert not readers()


def test_killed_reader_is_told(large: Path) -> None:
    """What it had not read yet must not look as if it were not there."""
    walk = walk_beside(str(large), all_nested)
    next(walk)
    for reader in readers():
        reader.kill()

    with pytest.raises(RetryableError, match="was killed") as caught:
        list(walk)

    assert caught.value.condition is Condition.LISTING_INTERRUPTED
    assert caught.value.context == {"path": str(large)}


def test_reader_that_dies_before_it_is_asked_is_told(tmp_path: Path) -> None:
    """The pipe may break while we write into it as well."""
    for name in ("a/1", "b/2", "c/3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    def kill_then_enter(folder: str, nested: Sequence[str]) -> Iterator[str]:
        for reader in readers():
            reader.kill()
            reader.wait()
        return iter(all_nested(folder, nested))

    with pytest.raises(RetryableError, match="was killed"):
        list(walk_beside(str(tmp_path), kill_then_enter))


def test_signals_to_the_group_do_not_end_the_listing(large: Path) -> None:
    """A graceful stop lets the batch finish, and its listing with it."""
    walk = walk_beside(str(large), all_nested)
    _, names = next(walk)
    for reader in readers():
        for each in (signal.SIGTERM, signal.SIGINT):
            reader.send_signal(each)

    assert len(names) + sum(len(more) for _, more in walk) == MANY


def test_walk_that_is_given_up_leaves_no_reader(large: Path) -> None:
    """An error elsewhere ends the comparison, and then nobody asks for more."""
    walk = walk_beside(str(large), all_nested)
    next(walk)
    assert len(readers()) == 2

    walk.close()

    assert not readers()


def test_readers_end_with_a_process_that_is_killed(large: Path) -> None:
    """Nothing may go on reading a folder for a driver that is no more."""
    program = f"""
        import os, time
        from sluice.source.walk import walk_beside
        walk = walk_beside({str(large)!r}, lambda folder, nested: [])
        next(walk)
        print("walking", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"walking\n"
        found = psutil.Process(process.pid).children()
        process.kill()

    assert len(found) == 2
    gone, alive = psutil.wait_procs(found, timeout=60)
    assert (len(gone), alive) == (2, [])


def test_discovery_of_many_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only how names are read depends on how many files are known."""
    monkeypatch.setattr(scan, "_MANY_KNOWN", 1)
    landing = tmp_path / "in"
    options = CloudFilesOptions(path=str(landing), schema_location=f"{tmp_path}/s")
    ledger = Ledger.open_or_create(options.schema_location)
    for hour in range(3):
        (landing / f"{hour}").mkdir(parents=True)
        for number in range(4):
            (landing / f"{hour}" / f"{number}.json").touch()
        assert discover(ledger, options, run_id="run").files == 4

    assert discover(ledger, options, run_id="run").files == 0
    assert [file.seq for file in ledger.files()] == list(range(1, 13))


def test_discovery_whose_reader_is_killed_records_nothing(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one finds what has landed, whatever this one had seen of it."""
    monkeypatch.setattr(scan, "_MANY_KNOWN", 0)
    options = CloudFilesOptions(path=str(large), schema_location=f"{tmp_path}/s")
    ledger = Ledger.open_or_create(options.schema_location)
    load_known = scan.load_known

    def kill_first(*given: object) -> object:
        while not readers():
            time.sleep(0.01)
        for reader in readers():
            reader.kill()
        return load_known(*given)

    with monkeypatch.context() as patch:
        patch.setattr(scan, "load_known", kill_first)
        with pytest.raises(RetryableError, match="run again"):
            discover(ledger, options, run_id="killed")
    assert list(ledger.files()) == []

    assert discover(ledger, options, run_id="again").files == MANY
