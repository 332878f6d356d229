"""The files that a micro-batch leaves out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluice.errors import Condition, FatalError
from sluice.ledger.quarantine import (
    LeftOut,
    QuarantinedFile,
    read_left_out,
    record_left_out,
)

MOMENT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def record(seq: int, kind: LeftOut = LeftOut.QUARANTINED) -> QuarantinedFile:
    """Return a record of a file."""
    return QuarantinedFile(seq, f"/in/{seq}", "truncated", "run", MOMENT, kind)


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Its kind decides what the file's state is."""
    records = [record(2), record(11, LeftOut.REPLACED)]
    for each in records:
        record_left_out(str(tmp_path), each)

    assert read_left_out(str(tmp_path)) == {2: records[0], 11: records[1]}


def test_first_kind_stands(tmp_path: Path) -> None:
    """Two tasks may describe one file differently; one plan must come of it."""
    assert record_left_out(str(tmp_path), record(2, LeftOut.REPLACED))
    assert not record_left_out(str(tmp_path), record(2))

    assert read_left_out(str(tmp_path))[2].kind is LeftOut.REPLACED


def test_record_without_kind_is_a_quarantined_file(tmp_path: Path) -> None:
    """Records were written before there were kinds."""
    (tmp_path / "1.json").write_text(
        '{"seq":1,"path":"/in/1","error":"x","run_id":"r","at":"2026-01-01T00:00:00Z"}'
    )

    assert read_left_out(str(tmp_path))[1].kind is LeftOut.QUARANTINED


def test_torn_record_is_named(tmp_path: Path) -> None:
    """It says of a file that it is left out, but not of which."""
    (tmp_path / "1.json").write_text('{"seq": 1')

    with pytest.raises(FatalError) as caught:
        read_left_out(str(tmp_path))

    assert caught.value.condition is Condition.LEDGER_UNREADABLE
    assert caught.value.context == {"path": f"{tmp_path}/1.json"}
