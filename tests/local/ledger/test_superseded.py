"""Versions that can no longer be read are left out before a task fails by them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sluice.discovery.listing import look_at
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut
from sluice.ledger.superseded import record_superseded
from sluice.model import FileVersion, LedgerFile

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return an empty ledger."""
    return Ledger.open_or_create(str(tmp_path / "schemas"))


def land(ledger: Ledger, path: Path, *, minute: int) -> None:
    """Write a file, dated by ``minute``, and enter it as a version of its name."""
    path.write_text(f"{minute}")
    moment = (MOMENT + timedelta(minutes=minute)).timestamp()
    os.utime(path, (moment, moment))
    found = look_at(str(path))
    assert found is not None
    enter(ledger, found)


def enter(ledger: Ledger, *versions: FileVersion) -> None:
    """Enter versions of names into the ledger."""
    ledger.append_new(versions, run_id="run", by_version=True)


def recorded(ledger: Ledger, files: list[LedgerFile]) -> set[int]:
    """Return the seqs that a plan over ``files`` leaves out."""
    return record_superseded(ledger, files, run_id="run")


def test_version_with_a_newer_one_in_place_is_left_out(
    tmp_path: Path, ledger: Ledger
) -> None:
    """However many names were used again, the batch is planned once."""
    for name in "ab":
        land(ledger, tmp_path / name, minute=1)
    land(ledger, tmp_path / "c", minute=1)
    for name in "ab":
        land(ledger, tmp_path / name, minute=2)

    assert recorded(ledger, ledger.files(up_to=3)) == {1, 2}
    records = ledger.left_out()
    assert set(records) == {1, 2}
    assert {each.kind for each in records.values()} == {LeftOut.REPLACED}
    assert recorded(ledger, ledger.files(after=3)) == set()


def test_both_versions_in_one_batch_leave_the_newer(
    tmp_path: Path, ledger: Ledger
) -> None:
    """Within one micro-batch a name has one version."""
    for minute in (1, 2, 3):
        land(ledger, tmp_path / "a", minute=minute)

    assert recorded(ledger, ledger.files()) == {1, 2}


def test_version_that_was_put_back_is_read(tmp_path: Path, ledger: Ledger) -> None:
    """The newer row is the one that no file matches any more."""
    land(ledger, tmp_path / "a", minute=1)
    land(ledger, tmp_path / "a", minute=2)
    os.utime(tmp_path / "a", (MOMENT.timestamp() + 60,) * 2)

    assert recorded(ledger, ledger.files(up_to=1)) == set()


def test_file_that_is_gone_is_left_to_the_policy(
    tmp_path: Path, ledger: Ledger
) -> None:
    """It was not replaced, so it is not reported as that."""
    land(ledger, tmp_path / "a", minute=1)
    land(ledger, tmp_path / "a", minute=2)
    (tmp_path / "a").unlink()

    assert recorded(ledger, ledger.files()) == set()
    assert ledger.left_out() == {}


def test_nothing_planned_asks_nothing(ledger: Ledger) -> None:
    """An empty micro-batch has no first file."""
    assert recorded(ledger, []) == set()
