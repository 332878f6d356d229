"""A folder that becomes a link between look and removal leads cleaning nowhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sluice.cleanup.folders import LinkedError
from sluice.cleanup.removal import Removal, UnsafeNameError, removal_for
from sluice.model import LedgerFile
from sluice.storage import status

LEDGER = "0123456789"
SHARED_MEMORY = Path("/dev/shm")
_hooks: list[Callable[[str], None]] = []


def _call_hooks(event: str, _arguments: tuple[object, ...]) -> None:
    for hook in _hooks:
        hook(event)


@contextmanager
def at_event(wanted: str, act: Callable[[], None]) -> Iterator[list[str]]:
    """Call ``act`` once, when the first call ``wanted`` is about to be made."""
    done: list[str] = []

    def hook(event: str) -> None:
        if event == wanted and not done:
            done.append(event)
            act()

    if not getattr(sys, "_sluice_hooked", False):
        # A hook of Python's own stays for good: one serves all tests.
        sys.addaudithook(_call_hooks)
        sys._sluice_hooked = True  # type: ignore[attr-defined]
    _hooks.append(hook)
    try:
        yield done
    finally:
        _hooks.remove(hook)


@pytest.fixture
def landed(tmp_path: Path) -> LedgerFile:
    """Return a landed file; a foreign one has its name, its size and its time."""
    path, foreign = tmp_path / "landing/day/a.json", tmp_path / "foreign/a.json"
    for each, text in (path, "ours"), (foreign, "them"):
        each.parent.mkdir(parents=True)
        each.write_text(text)
        os.utime(each, ns=(10**18, 10**18))
    found = status(str(path))
    assert found is not None
    return LedgerFile(7, str(path), found.size, found.modified)


@pytest.fixture
def removal(tmp_path: Path) -> Removal:
    """Return the steps by which what is below the landing folder goes."""
    return removal_for(str(tmp_path / "landing"), LEDGER)


def swap(folder: Path, foreign: Path) -> Callable[[], None]:
    """Return a call that puts a link to ``foreign`` in the place of ``folder``."""

    def act() -> None:
        folder.rename(folder.with_name("moved"))
        folder.symlink_to(foreign)

    return act


def clean(removal: Removal, file: LedgerFile, archive: Path) -> None:
    """Move a file as cleaning does."""
    if removal.take(file):
        removal.keep(file, str(archive))
        removal.finish(file)


@pytest.mark.parametrize("moment", ["os.rename", "os.link", "os.remove"])
def test_swapped_folder_is_not_followed(
    tmp_path: Path, landed: LedgerFile, removal: Removal, moment: str
) -> None:
    """Whatever step is next; what was looked at is what goes."""
    foreign = tmp_path / "foreign"

    act = swap(tmp_path / "landing/day", foreign)
    # A step that comes after it finds the link and says so.
    with at_event(moment, act) as done, suppress(LinkedError):
        clean(removal, landed, tmp_path / "archive")

    assert done == [moment]
    assert (foreign / "a.json").read_text() == "them"
    assert [path.name for path in foreign.iterdir()] == ["a.json"]
    rest = [*tmp_path.glob("archive/**/a.json"), *tmp_path.glob("landing/moved/.s*")]
    assert {path.read_text() for path in rest} == {"ours"}, "it is not lost"


@pytest.mark.parametrize("linked", ["landing/day", "landing/day/a.json"])
def test_link_that_is_there_is_named(
    tmp_path: Path, landed: LedgerFile, removal: Removal, linked: str
) -> None:
    """The folder, or the file itself."""
    foreign = tmp_path / "foreign" / ("a.json" if linked.endswith(".json") else "")
    swap(tmp_path / linked, foreign)()

    with pytest.raises(LinkedError, match=f"{linked}' is a link"):
        removal.take(landed)

    assert (tmp_path / "foreign/a.json").read_text() == "them"


def test_landing_folder_itself_may_be_a_link(
    tmp_path: Path, landed: LedgerFile
) -> None:
    """Its pipeline names it."""
    (tmp_path / "named").symlink_to(tmp_path / "landing")
    path = str(tmp_path / "named/day/a.json")
    removal = removal_for(str(tmp_path / "named"), LEDGER)

    clean(removal, LedgerFile(7, path, landed.size, landed.modified), tmp_path / "kept")

    assert (tmp_path / "kept/day/a.json").read_text() == "ours"
    assert not Path(landed.path).exists()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["link", "copy"])
def test_link_in_the_archive_is_not_followed(
    tmp_path: Path, landed: LedgerFile, removal: Removal, elsewhere: bool
) -> None:
    """Neither a folder of it nor a file."""
    archive = tmp_path / "archive"
    if elsewhere:
        if not SHARED_MEMORY.is_dir():
            pytest.skip("no second file system")
        archive = SHARED_MEMORY / f"sluice-{os.getpid()}-{tmp_path.name}"
    outside = tmp_path / "outside"
    outside.mkdir()
    try:
        archive.mkdir()
        (archive / "day").symlink_to(outside)
        assert removal.take(landed)
        with pytest.raises(LinkedError, match="day' is a link"):
            removal.keep(landed, str(archive))
        (archive / "day").unlink()
        (archive / "day").mkdir()
        (archive / "day/a.json").symlink_to(tmp_path / "foreign/a.json")

        second = removal.keep(landed, str(archive))

        assert Path(second).name == f"a.{LEDGER[:8]}-7.json"
        assert Path(second).read_text() == "ours"
        assert (archive / "day/a.json").is_symlink()
        assert list(outside.iterdir()) == []
    finally:
        if elsewhere:
            for each in archive.rglob("day/*"):
                each.unlink()
            for folder in (archive / "day", archive):
                folder.rmdir()


@pytest.mark.parametrize("root", ["/landing", "s3://bucket/landing"])
@pytest.mark.parametrize("below", ["../a.json", "day/../../a.json", "./a.json", "a/.."])
def test_name_never_leaves_the_archive(root: str, below: str) -> None:
    """On a disk it is another folder, and in a bucket for those who read it there."""
    file = LedgerFile(7, f"{root}/{below}", 4, None)  # type: ignore[arg-type]
    with pytest.raises(UnsafeNameError, match="means another folder"):
        removal_for(root, LEDGER).keep(file, f"{root}-archive")


@pytest.mark.parametrize("event", ["os.stat", "os.rename"])
def test_folder_under_the_name_stays_as_it_is(
    landed: LedgerFile, removal: Removal, event: str
) -> None:
    """Also where it comes in the moment in which the file is taken."""
    path = Path(landed.path)

    def come() -> None:
        path.unlink()
        path.mkdir()
        (path / "inner.json").write_text("{}")

    if event == "os.stat":
        come()
        assert not removal.take(landed)
    else:
        with at_event(event, come) as done:
            assert not removal.take(landed)
        assert done
    assert [str(each.relative_to(path)) for each in path.iterdir()] == ["inner.json"]
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


def test_folder_in_the_archive_is_another_file(
    tmp_path: Path, landed: LedgerFile, removal: Removal
) -> None:
    """The second name is taken, and no descriptor is left open."""
    archive = tmp_path / "archive"
    (archive / "day/a.json").mkdir(parents=True)
    assert removal.take(landed)
    before = len(list(Path("/proc/self/fd").iterdir()))
    kept = removal.keep(landed, str(archive))
    assert Path(kept).read_text() == "ours"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
