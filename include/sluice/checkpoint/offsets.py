"""What the offset of a micro-batch says: how far a source was read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sluice.versions import require_known_offset


@dataclass(frozen=True)
class LedgerOffset:
    """All files of a ledger up to ``seq`` are read."""

    ledger_id: str
    seq: int


@dataclass(frozen=True)
class DeltaOffset:
    """A Delta table is read up to before ``version``, and of it up to file ``index``.

    ``index`` is -1 where nothing of that version is read. ``table_id`` is None where
    the offset names no table.
    """

    table_id: str | None
    version: int
    index: int
    is_starting: bool

    @property
    def is_whole(self) -> bool:
        """Whether the offset is not inside a version."""
        return self.index == -1 and not self.is_starting


@dataclass(frozen=True)
class OtherOffset:
    """The offset of a source that Sluice does not read; ``value`` is its JSON."""

    value: object


Offset = LedgerOffset | DeltaOffset | OtherOffset


def parse_offset(text: str | None, *, where: str = "the offset") -> Offset:
    """Parse the JSON of an offset; None, where a source has none, is of no known kind.

    Raises:
        ValueError: it is no JSON, or a field of its kind is missing or wrong.
        FatalError: a newer release wrote it; the message says ``where``.
    """
    value = json.loads(text) if text else None
    require_known_offset(where, value)
    try:
        return _to_offset(value)
    except (KeyError, TypeError, ValueError) as error:
        message = f"offset {text!r} has a missing or wrong field: {error!r}"
        raise ValueError(message) from None


def _to_offset(value: Any) -> Offset:
    if isinstance(value, dict) and "ledger" in value:
        return LedgerOffset(str(value["ledger"]), int(value["seq"]))
    if isinstance(value, dict) and "reservoirVersion" in value:
        return DeltaOffset(
            table_id=value.get("reservoirId"),
            version=int(value["reservoirVersion"]),
            index=int(value["index"]),
            is_starting=bool(value.get("isStartingVersion")),
        )
    return OtherOffset(value)
