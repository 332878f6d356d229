"""How far the cleaning of a folder has come: one small object beside the ledger."""

from __future__ import annotations

import msgspec

from sluice import storage
from sluice.errors import Condition, FatalError
from sluice.ledger.ledger import Ledger
from sluice.options.clean import CleanMode

_KEY = "cleaning.json"


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """Files that are proven and being removed: after a kill this is finished first.

    By what it says, not by the options of then: they may have changed since.
    """

    mode: CleanMode
    destination: str | None
    seqs: tuple[int, ...]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Files up to ``up_to`` are settled for good, but for those in ``waiting``."""

    up_to: int = 0
    waiting: tuple[int, ...] = ()
    begun: Begun | None = None


def read_progress(ledger: Ledger) -> Progress:
    """Return how far cleaning has come.

    Raises:
        FatalError: the object is damaged.
    """
    content = storage.read(ledger.root, _KEY)
    if content is None:
        return Progress()
    try:
        return msgspec.json.decode(content, type=Progress)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise FatalError(
            Condition.LEDGER_UNREADABLE,
            f"ledger {ledger.root!r}: {_KEY!r} is damaged: {error}; remove it, and all "
            "files of the ledger are looked at again",
            {"ledger": ledger.root},
        ) from error


def write_progress(ledger: Ledger, progress: Progress) -> None:
    """Keep how far cleaning has come."""
    storage.put(ledger.root, _KEY, msgspec.json.encode(progress))
