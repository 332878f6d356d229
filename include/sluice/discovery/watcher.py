"""The sign of life of ``sluice watch``: an object beside the ledger that expires.

While it is fresh, runs list nothing but every ``backfillInterval``. It decides only how
much is listed: a watcher that is gone delays files by no more than its expiry.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from sluice.records import load_record, save_record

_KEY = "watch.json"
LIFETIME = timedelta(seconds=30)


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """Who watches for which ledger, since when, and until when that may be believed.

    ``selection`` is what the watcher looks for: a run that looks for other files lists
    them itself.
    """

    ledger: str
    selection: str
    holder: str
    since: datetime
    expires: datetime


def beat(root: str, heartbeat: Heartbeat) -> None:
    """Say beside the ledger at ``root`` that its landing folder is watched."""
    save_record(root, _KEY, heartbeat)


def read_heartbeat(
    root: str, ledger_id: str, selection: str, now: datetime
) -> Heartbeat | None:
    """Return the sign of life beside the ledger; None where no watcher is alive.

    One that expires later than any that was written could has a wrong clock.
    """
    found = load_record(root, _KEY, Heartbeat)
    if found is None:
        return None
    alive = now < found.expires <= now + 2 * LIFETIME
    fits = (found.ledger, found.selection) == (ledger_id, selection)
    return found if alive and fits else None
