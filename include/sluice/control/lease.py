"""One driver at a time on a checkpoint: a lease on the checkpoint's own storage.

The lease of checkpoint ``X/bronze`` is a chain of objects ``lease/<epoch>.json`` in
``X/_control/bronze``. Disks have no compare-and-swap, so a lease is only ever taken by
``put_if_absent`` of the next epoch, which has one winner on a disk and on a bucket.
After that the holder alone writes its epoch's object: a new heartbeat every tenth of
the expiry, and at last that it is released. That one object stays, so that an epoch
is never used twice; the process that takes the next one removes it.

Expiry is judged by no clock but the challenger's own, and only as a duration: it
watches the object, and a lease whose heartbeat does not change for the whole expiry has
ended. Clocks that differ or jump therefore do no harm, and a living holder is
recognised at its next heartbeat. A holder that ran on this very machine and is gone
need not be watched.

Safety never rests on a lease: a driver that was paused and outlived its own writes the
same rows under the same batch id as its successor, and Delta takes one of the two
(docs/delivery_guarantees.md). The lease saves the work done twice, and names the other.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec

from sluice import storage
from sluice.control.holder import Holder, is_gone, this_process
from sluice.errors import Condition, RetryableError
from sluice.paths import control_location

EXPIRY = timedelta(seconds=30)
STOP_KEY = "stop.json"

_LOG = logging.getLogger(__name__)
_FOLDER = "lease"
_WATCH_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Lease:
    """One epoch of the lease of a checkpoint, as its holder last wrote it."""

    checkpoint: str
    query: str
    run_id: str
    epoch: int
    holder: Holder
    acquired_at: datetime
    heartbeat_at: datetime
    heartbeats: int = 0
    expiry_seconds: float = EXPIRY.total_seconds()
    released_at: datetime | None = None

    @property
    def root(self) -> str:
        """Where the lease and the stop request of its checkpoint are kept."""
        return control_location(self.checkpoint)

    @property
    def key(self) -> str:
        """The key of this epoch's object below ``root``."""
        return _key(self.epoch)

    @property
    def is_free(self) -> bool:
        """Whether it has no holder any more: released, or its holder is surely gone."""
        return self.released_at is not None or is_gone(self.holder)

    @property
    def ends_at(self) -> datetime:
        """When it ends if its holder gives no further heartbeat, by its own clock."""
        return self.heartbeat_at + timedelta(seconds=self.expiry_seconds)

    def __str__(self) -> str:
        return f"run {self.run_id!r}, {self.holder}, since {_utc(self.acquired_at)}"


@dataclass(frozen=True)
class _Seen:
    """The newest epoch as it was read; ``lease`` is None where it is damaged."""

    epoch: int
    content: bytes
    lease: Lease | None


def acquire_lease(
    checkpoint: str, *, query: str, run_id: str, expiry: timedelta = EXPIRY
) -> Lease:
    """Take the lease of ``checkpoint`` for this process and return it.

    Where another process holds it, its heartbeat is watched: the call fails at the next
    one, or takes the lease over where none comes for the expiry that the holder wrote.

    Raises:
        RetryableError: another process holds the lease, or was faster.
    """
    root = control_location(checkpoint)
    while True:
        seen = _await_free(root, expiry)
        now = datetime.now(UTC)
        mine = Lease(
            checkpoint=checkpoint,
            query=query,
            run_id=run_id,
            epoch=seen.epoch + 1 if seen else 1,
            holder=this_process(),
            acquired_at=now,
            heartbeat_at=now,
            expiry_seconds=expiry.total_seconds(),
        )
        if _take(mine):
            _remove_older(mine)
            return mine
        other = _newest(root)
        if other and other.lease and not other.lease.is_free:
            raise held_error(other.lease)


def renew_lease(mine: Lease) -> Lease:
    """Write a new heartbeat; return the lease as it is now: ``mine``, or a newer epoch.

    Only this process writes the object of its epoch, so nothing can be overwritten.
    """
    newest = read_lease(mine.checkpoint)
    if newest is not None and newest.epoch > mine.epoch:
        return newest
    renewed = replace(
        mine, heartbeats=mine.heartbeats + 1, heartbeat_at=datetime.now(UTC)
    )
    storage.put(mine.root, mine.key, _encode(renewed))
    return renewed


def release_lease(mine: Lease) -> Lease | None:
    """Let others have the lease; return the one of a process that took it over.

    Nothing of ours is left then.
    """
    newest = _newest(mine.root)
    if newest is not None and newest.epoch > mine.epoch:
        storage.delete(mine.root, mine.key)
        return newest.lease
    released = replace(mine, released_at=datetime.now(UTC))
    storage.put(mine.root, mine.key, _encode(released))
    return None


def read_lease(checkpoint: str) -> Lease | None:
    """Return the newest lease of ``checkpoint``, released ones included.

    None where there was never one, or where its object is damaged.
    """
    seen = _newest(control_location(checkpoint))
    return seen.lease if seen else None


def find_living(checkpoint: str) -> Lease | None:
    """Return the lease of ``checkpoint`` if its holder shows that it lives.

    On another machine only a new heartbeat shows that, and none for the whole expiry
    that it does not: this call may take that long.
    """
    lease = read_lease(checkpoint)
    if lease is None or lease.is_free:
        return None
    if lease.holder.space == this_process().space is not None:
        return lease  # and not gone: `is_free` would have said so
    until = time.monotonic() + lease.expiry_seconds
    while time.monotonic() < until:
        time.sleep(_WATCH_SECONDS)
        now = read_lease(checkpoint)
        if now is None or now.is_free:
            return None
        if now != lease:
            return now
    return None


def held_error(lease: Lease) -> RetryableError:
    """Return the error for a checkpoint whose lease another process holds."""
    return RetryableError(
        Condition.LEASE_HELD,
        f"checkpoint {lease.checkpoint!r} is in use by {lease}: its lease was renewed "
        f"{_utc(lease.heartbeat_at)} and ends {_utc(lease.ends_at)} unless it is "
        "renewed again; run again when that run is done, or let it finish its "
        f"micro-batch and end by `sluice queries stop {lease.checkpoint}`",
        {
            "checkpoint": lease.checkpoint,
            "run_id": lease.run_id,
            "host": lease.holder.host,
            "pid": lease.holder.pid,
            "since": lease.acquired_at.isoformat(),
            "until": lease.ends_at.isoformat(),
        },
    )


def _await_free(root: str, expiry: timedelta) -> _Seen | None:
    """Return the epoch to succeed to once it has no holder, None where there is none.

    Raises:
        RetryableError: its holder gave a sign of life.
    """
    seen = _newest(root)
    if seen is None or _is_free(seen):
        return seen
    seconds = seen.lease.expiry_seconds if seen.lease else expiry.total_seconds()
    _LOG.warning(
        "the lease in %r is held by %s; watching its heartbeat for up to %g s",
        root,
        seen.lease or "an unknown process, its object is damaged",
        seconds,
    )
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(_WATCH_SECONDS)
        now = _newest(root)
        if now is None or _is_free(now):
            return now
        if now != seen and now.lease:
            raise held_error(now.lease)
    _LOG.warning("no heartbeat for %g s: taking the lease in %r over", seconds, root)
    return seen


def _is_free(seen: _Seen) -> bool:
    return seen.lease is not None and seen.lease.is_free


def _take(mine: Lease) -> bool:
    """Put the object of a new epoch; return True if it is the newest."""
    if not storage.put_if_absent(mine.root, mine.key, _encode(mine)):
        return False
    # The epoch may have been used and removed since it was found to be the next one.
    if max(_epochs(mine.root), default=0) == mine.epoch:
        return True
    storage.delete(mine.root, mine.key)
    return False


def _remove_older(mine: Lease) -> None:
    """Remove the epochs before, and a stop request that was meant for one of them."""
    for epoch in _epochs(mine.root):
        if epoch < mine.epoch:
            storage.delete(mine.root, _key(epoch))
    storage.delete(mine.root, STOP_KEY)


def _newest(root: str) -> _Seen | None:
    """Read the newest epoch, again where it is removed between listing and reading."""
    while epochs := _epochs(root):
        content = storage.read(root, _key(max(epochs)))
        if content is not None:
            return _Seen(max(epochs), content, _decode(content))
    return None


def _epochs(root: str) -> list[int]:
    keys = storage.list_keys(root, _FOLDER)
    names = [key.rpartition("/")[2].removesuffix(".json") for key in keys]
    return [int(name) for name in names if name.isdecimal()]


def _key(epoch: int) -> str:
    return f"{_FOLDER}/{epoch}.json"


def _encode(lease: Lease) -> bytes:
    return msgspec.json.encode(lease)


def _decode(content: bytes) -> Lease | None:
    try:
        return msgspec.json.decode(content, type=Lease)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
