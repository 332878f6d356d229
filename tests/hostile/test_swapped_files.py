"""What takes a discovered file's place is that file's matter, and is not followed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sluice.discovery.listing import list_landed
from sluice.discovery.walk import walk
from sluice.errors import Condition, FatalError
from sluice.formats.registry import FORMATS, format_class
from sluice.model import LedgerFile
from sluice.options.options import CloudFilesOptions
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from sluice.reading.read import read_slices
from sluice.source.datasource import plan_reading
from sluice.storage import status

OUTPUT = pa.schema([("value", pa.string())])


@pytest.fixture
def landed(tmp_path: Path) -> LedgerFile:
    """Return a discovered file; another one elsewhere has its size and its time."""
    for name, text in ("landing/day/a.txt", "ours"), ("other/a.txt", "them"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        os.utime(path, ns=(10**18, 10**18))
    path = tmp_path / "landing/day/a.txt"
    found = status(str(path))
    assert found is not None
    return LedgerFile(1, str(path), found.size, found.modified)


def plan(landed: LedgerFile, *, follows: bool = False) -> ReadPlan:
    """Return how the stream of the landing folder reads."""
    landing = Path(landed.path).parents[1]
    options = CloudFilesOptions(
        path=str(landing),
        schema_location=f"{landing}-schemas",
        format=format_class("text")(),
        follow_links=follows,
    )
    return plan_reading(options, OUTPUT)


def values(landed: LedgerFile, how: ReadPlan) -> list[str]:
    """Return the rows of the file."""
    batches = read_slices([FileSlice(landed, 0, landed.size)], how)
    return [row for batch in batches for row in batch["value"].to_pylist()]


def swap_file(path: Path) -> None:
    """Put a link to the other file in its place."""
    path.unlink()
    path.symlink_to(path.parents[2] / "other/a.txt")


def swap_folder(path: Path) -> None:
    """Put a link to the other file's folder in the place of its folder."""
    path.parent.rename(path.parents[1] / "moved")
    path.parent.symlink_to(path.parents[2] / "other")


def swap_for_file(path: Path) -> None:
    """Put a file in the place of its folder."""
    path.parent.rename(path.parents[1] / "moved")
    path.parent.write_text("")


def swap_for_loop(path: Path) -> None:
    """Put a link to itself in the place of its folder."""
    path.parent.rename(path.parents[1] / "moved")
    path.parent.symlink_to(path.parent)


@pytest.mark.parametrize("swap", [swap_file, swap_folder])
def test_link_of_equal_size_and_time_is_not_read(
    landed: LedgerFile, swap: Callable[[Path], None]
) -> None:
    """Discovery looked at the file that was there; what was opened is looked at."""
    assert values(landed, plan(landed)) == ["ours"]
    swap(Path(landed.path))

    with pytest.raises(FatalError, match="leads from it out of the landing") as caught:
        values(landed, plan(landed))

    assert caught.value.condition is Condition.BAD_FILE
    assert values(landed, plan(landed, follows=True)) == ["them"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens_within_the_folder(landed: LedgerFile, name: str) -> None:
    """Whatever opens the file for it."""
    swap_file(Path(landed.path))
    columns = {"binaryFile": ("content", pa.binary())}
    how = ReadPlan(
        format=format_class(name)(),
        output=pa.schema([columns.get(name, ("value", pa.string()))]),
        within=(str(Path(landed.path).parents[1]),),
    )

    with pytest.raises(FatalError, match="leads from it out of the landing"):
        list(read_slices([FileSlice(landed, 0, landed.size)], how))


def test_links_that_stay_in_the_folder_are_read(
    landed: LedgerFile, tmp_path: Path
) -> None:
    """And the folder itself may be one."""
    swapped = Path(landed.path)
    swapped.rename(tmp_path / "landing/kept")
    swapped.symlink_to(tmp_path / "landing/kept")
    (tmp_path / "landing").rename(tmp_path / "real")
    (tmp_path / "landing").symlink_to(tmp_path / "real")
    swapped.unlink()
    swapped.symlink_to(tmp_path / "landing/kept")

    assert values(landed, plan(landed)) == ["ours"]


@pytest.mark.parametrize("swap", [swap_for_file, swap_for_loop])
def test_folder_that_is_none_any_more_costs_its_files_alone(
    landed: LedgerFile, swap: Callable[[Path], None]
) -> None:
    """No later attempt would read it; the source's policy says what becomes of it."""
    swap(Path(landed.path))

    with pytest.raises(FatalError, match="stands on the way") as caught:
        values(landed, plan(landed))

    assert caught.value.condition is Condition.BAD_FILE
    assert landed.path in str(caught.value)


@pytest.mark.parametrize("swap", [swap_for_file, swap_for_loop])
def test_folder_that_is_swapped_while_it_is_listed(
    landed: LedgerFile, swap: Callable[[Path], None]
) -> None:
    """Its parent said that it is a folder; the others are listed."""
    landing = Path(landed.path).parents[1]
    (landing / "b.txt").write_text("b")

    def enter(folder: str, nested: list[str]) -> list[str]:
        if "day" in nested:
            swap(Path(landed.path))
        return [f"{folder}/{name}" for name in nested]

    found = [name for _, names in walk(str(landing), enter) for name in names]

    assert found == ["b.txt"]
    options = CloudFilesOptions(path=str(landing), schema_location="/s")
    listed = {Path(each.path).name for each in list_landed(options)}
    assert listed >= {"b.txt", "a.txt"}, "where it was moved to"
