"""Offsets are read into one type for each kind of source, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sluice.checkpoint import (
    DeltaOffset,
    LedgerOffset,
    OtherOffset,
    parse_offset,
    read_checkpoint,
)
from sluice.checkpoint.offsets import Offset
from sluice.errors import Condition, FatalError
from sluice.versions import FORMAT_VERSION, ledger_offset


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ledger_offset("a", 7), LedgerOffset("a", 7)),
        ({"ledger": "a", "seq": -1}, LedgerOffset("a", -1)),
        (
            {"reservoirId": "t", "reservoirVersion": 2, "index": -1},
            DeltaOffset("t", 2, -1, is_starting=False),
        ),
        (
            {"reservoirVersion": 0, "index": 3, "isStartingVersion": True},
            DeltaOffset(None, 0, 3, is_starting=True),
        ),
        ({"topic": {"0": 5}}, OtherOffset({"topic": {"0": 5}})),
        (5, OtherOffset(5)),
    ],
)
def test_an_offset_has_the_type_of_its_source(value: object, expected: Offset) -> None:
    """An offset of another source is no error: a checkpoint may be of any query."""
    assert parse_offset(json.dumps(value)) == expected


def test_no_offset_is_of_no_known_source() -> None:
    """Spark logs a dash for a source that has none yet."""
    assert parse_offset(None) == OtherOffset(None)


def test_a_delta_offset_is_whole_only_between_versions() -> None:
    """A window is computed from whole versions of bronze."""
    assert DeltaOffset("t", 2, -1, is_starting=False).is_whole
    assert not DeltaOffset("t", 2, 0, is_starting=False).is_whole
    assert not DeltaOffset("t", 2, -1, is_starting=True).is_whole


@pytest.mark.parametrize(
    "offset",
    [
        '{"ledger": "a"}',
        '{"ledger": "a", "seq": "x"}',
        '{"ledger": "a", "seq": null}',
        '{"reservoirVersion": 1}',
        '{"reservoirVersion": null, "index": -1}',
        '{"ledger": "a", "se',
    ],
)
def test_a_malformed_offset_is_refused_with_its_checkpoint(
    tmp_path: Path, offset: str
) -> None:
    """It says which file is to be restored, in place of a traceback later on."""
    (tmp_path / "offsets").mkdir()
    metadata = '{"batchWatermarkMs": 0, "batchTimestampMs": 0}'
    (tmp_path / "offsets" / "3").write_text(f"v1\n{metadata}\n{offset}")

    with pytest.raises(FatalError) as caught:
        read_checkpoint(str(tmp_path))

    assert caught.value.condition is Condition.CHECKPOINT_UNREADABLE
    assert caught.value.context == {
        "checkpoint": str(tmp_path),
        "files": ["offsets/3"],
    }


def test_an_offset_of_a_newer_release_is_not_called_malformed() -> None:
    """Its fields may be others; nothing is to be restored."""
    newer = json.dumps({"ledger": "a", "version": FORMAT_VERSION + 1})

    with pytest.raises(FatalError) as caught:
        parse_offset(newer, where="micro-batch 3")

    assert caught.value.condition is Condition.VERSION_TOO_NEW
    assert "micro-batch 3" in str(caught.value)
