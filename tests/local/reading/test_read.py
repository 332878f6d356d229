"""Files that are left out go into the ledger."""

from __future__ import annotations

import gzip
import os
import pickle
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from sluice.errors import Condition, RetryableError
from sluice.formats.json import JsonFormat
from sluice.ledger.ledger import Ledger
from sluice.ledger.quarantine import LeftOut
from sluice.model import FileVersion, LedgerFile
from sluice.reading import read as module
from sluice.reading.partition import FileSlice
from sluice.reading.plan import ReadPlan
from support.reading import (
    DAMAGED,
    LINES,
    MTIME_NS,
    OUTPUT,
    land,
    read,
    refusal,
    rewritten,
    whole,
)


def ledger_with(tmp_path: Path, file: LedgerFile) -> Ledger:
    """Return a ledger to which ``file`` is known."""
    ledger = Ledger.open_or_create(str(tmp_path / "schemas"))
    ledger.append_new([FileVersion(file.path, file.size, file.modified)], run_id="run")
    return ledger


def half_good() -> bytes:
    """Return a compressed file whose first blocks are whole, and the last cut off."""
    return gzip.compress(LINES * 20_000)[:-100]


def test_bad_file_is_quarantined_once(tmp_path: Path) -> None:
    """The event is written before the task fails, and the first attempt's stands."""
    file = land(tmp_path, "a.gz", DAMAGED["a.json.gz"])
    ledger = ledger_with(tmp_path, file)

    for run in ("first", "second"):
        refusal(whole(file), ledger=ledger, ignores_corrupt=True, run_id=run)

    (event,) = ledger.left_out().values()
    assert (event.seq, event.path, event.run_id) == (1, file.path, "first")
    assert event.error == refusal(whole(file)).context["reason"]


@pytest.mark.parametrize("ignores", ["ignores_missing", "ignores_corrupt"])
def test_each_policy_ignores_files_of_its_kind(tmp_path: Path, ignores: str) -> None:
    """One that is gone says nothing of the others, one that is damaged may."""
    gone, damaged = land(tmp_path, "a"), land(tmp_path, "b.gz", b"x")
    damaged = replace(damaged, seq=2)
    ledger = ledger_with(tmp_path, gone)
    Path(gone.path).unlink()

    for file in (gone, damaged):
        refusal(whole(file), ledger=ledger, **{ignores: True})

    (record,) = ledger.left_out().values()
    assert record.path == (gone if ignores == "ignores_missing" else damaged).path


def test_whole_file_is_left_out_at_once(tmp_path: Path) -> None:
    """The others are read on, and nothing of the bad one comes."""
    good, bad = land(tmp_path, "a"), land(tmp_path, "b.gz", half_good())
    bad = replace(bad, seq=2)
    ledger = ledger_with(tmp_path, good)
    plan = {"ledger": ledger, "ignores_corrupt": True, "goes_on": True}

    rows = read(whole(bad), whole(good), **plan)

    assert [row["i"] for row in rows] == list(range(100))
    assert list(ledger.left_out()) == [2]


def test_part_of_a_file_is_not_left_out_alone(tmp_path: Path) -> None:
    """Other tasks may have read the other parts: the attempt fails."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    Path(file.path).unlink()
    part = FileSlice(file, 0, file.size - 1)
    plan = {"ledger": ledger, "ignores_missing": True, "goes_on": True}

    assert refusal(part, **plan).condition is Condition.BAD_FILE
    assert list(ledger.left_out()) == [1]


def test_file_of_which_rows_were_handed_over_is_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too large to hold back may be in a batch that Spark has."""
    monkeypatch.setattr(module, "_HELD_BYTES", 1000)
    file = land(tmp_path, "a.gz", half_good())
    ledger = ledger_with(tmp_path, file)

    error = refusal(whole(file), ledger=ledger, ignores_corrupt=True, goes_on=True)

    assert error.condition is Condition.BAD_FILE


def test_file_that_the_system_withholds_is_not_quarantined(tmp_path: Path) -> None:
    """An error of the disk or of rights passes; quarantine stays."""
    file = land(tmp_path, "a.json", b'{"id": "1"}\n')
    ledger = ledger_with(tmp_path, file)
    # What is imported on the way is, before no file can be opened.
    assert read(whole(file), ledger=ledger, ignores_corrupt=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(RetryableError) as caught:
            read(whole(file), ledger=ledger, ignores_corrupt=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert "Too many open files" in caught.value.message
    assert caught.value.context["path"] == file.path
    assert ledger.left_out() == {}


def test_bad_file_is_not_quarantined_unless_asked(tmp_path: Path) -> None:
    """``bad_files: fail`` leaves the decision to a person."""
    file = land(tmp_path, "a.gz", b"x")
    ledger = ledger_with(tmp_path, file)

    refusal(whole(file), ledger=ledger)

    assert ledger.left_out() == {}


def test_replaced_version_is_recorded_as_such(tmp_path: Path) -> None:
    """Where versions count, the newer one is on its way: nothing is bad."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    rewritten(file, LINES)

    error = refusal(whole(file), ledger=ledger, keeps_versions=True, run_id="run")

    assert error.condition is Condition.FILE_REPLACED
    (record,) = ledger.left_out().values()
    assert (record.seq, record.kind) == (1, LeftOut.REPLACED)


def test_file_that_is_gone_is_not_replaced(tmp_path: Path) -> None:
    """No newer version comes for it, so the policy for bad files holds."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    Path(file.path).unlink()

    error = refusal(whole(file), ledger=ledger, keeps_versions=True)

    assert error.condition is Condition.BAD_FILE
    assert ledger.left_out() == {}


def test_attempt_after_a_record_is_refused(tmp_path: Path) -> None:
    """A file in quarantine whose rows are in the table would be neither in nor out."""
    file = land(tmp_path, "a")
    ledger = ledger_with(tmp_path, file)
    rewritten(file, LINES, nanoseconds=5_000_000)
    first = refusal(whole(file), ledger=ledger, ignores_corrupt=True)
    os.utime(file.path, ns=(MTIME_NS, MTIME_NS))

    second = refusal(whole(file), ledger=ledger, ignores_corrupt=True)

    assert second.context == first.context


def test_plan_survives_pickling(tmp_path: Path) -> None:
    """Spark sends it to its workers."""
    plan = ReadPlan(
        format=JsonFormat(),
        output=OUTPUT,
        ledger=Ledger.open_or_create(str(tmp_path)),
        run_id="run",
    )

    assert pickle.loads(pickle.dumps(plan)) == plan
