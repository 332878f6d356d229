"""How far the cleaning of a folder has come: one small object beside the ledger."""

from __future__ import annotations

import msgspec

from sluice.ledger.ledger import Ledger
from sluice.options.clean import CleanMode
from sluice.records import load_record, save_record

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
    remedy = "remove it, and all files of the ledger are looked at again"
    return load_record(ledger.root, _KEY, Progress, remedy=remedy) or Progress()


def write_progress(ledger: Ledger, progress: Progress) -> None:
    """Keep how far cleaning has come."""
    save_record(ledger.root, _KEY, progress)
