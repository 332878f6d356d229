"""Small objects beside a ledger: kept, found again, and damaged."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sluice.errors import Condition, FatalError
from sluice.records import load_record, load_records, save_record


class Kept(msgspec.Struct, frozen=True):
    """A record."""

    seq: int
    name: str


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """The last one that was saved under a key counts."""
    root = str(tmp_path)
    for name in ("a", "ä"):
        save_record(root, "kept/1.json", Kept(1, name))
    save_record(root, "kept/0.json", Kept(0, "first"))

    assert load_record(root, "kept/1.json", Kept) == Kept(1, "ä")
    found = load_records(root, Kept, folder="kept", remedy="remove it")
    assert found == [Kept(0, "first"), Kept(1, "ä")]


def test_absent_is_none_whatever_the_policy(tmp_path: Path) -> None:
    """Looking makes no folder."""
    root = str(tmp_path / "none")

    assert load_record(root, "kept.json", Kept) is None
    assert load_record(root, "kept.json", Kept, remedy="remove it") is None
    assert load_records(root, Kept, remedy="remove it") == []
    assert not Path(root).exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'{"seq": "1", "name": "a"}',
        b'{"seq":1,"name":"\xff"}',
    ],
)
def test_damaged_is_ignored_or_refused(tmp_path: Path, content: bytes) -> None:
    """What a run makes again is ignored, the rest is named with its remedy."""
    path = tmp_path / "kept.json"
    path.write_bytes(content)

    assert load_record(str(tmp_path), "kept.json", Kept) is None
    with pytest.raises(FatalError) as caught:
        load_record(str(tmp_path), "kept.json", Kept, remedy="remove it")
    assert caught.value.condition is Condition.LEDGER_UNREADABLE
    assert str(path) in caught.value.message
    assert caught.value.message.endswith("; remove it")
