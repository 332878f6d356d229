"""Hold the lease of a checkpoint while a query runs, and see who wants it to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, timedelta

from obstore.exceptions import BaseError as StorageError

from sluice.control import signals
from sluice.control.lease import (
    EXPIRY,
    Lease,
    acquire_lease,
    held_error,
    release_lease,
    renew_lease,
)
from sluice.control.stop import StopRequest, read_stop, withdraw_stop
from sluice.errors import FatalError

_LOG = logging.getLogger(__name__)
_HEARTBEATS_PER_EXPIRY = 10
_LOOK_SECONDS = 0.5


class Hold:
    """A lease that a thread renews; the same thread sees requests to stop."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._successor: Lease | None = None
        self._request: StopRequest | None = None
        self._ended = threading.Event()
        # A daemon, for an exit in a hurry must not wait for it.
        self._thread = threading.Thread(
            target=self._keep, name="sluice-lease", daemon=True
        )

    @property
    def lease(self) -> Lease:
        """The lease as it was last written."""
        return self._lease

    @property
    def stop_reason(self) -> str | None:
        """Why the query has to end after its micro-batch, None while it may go on."""
        sent = signals.received()
        if sent:
            return f"stopped by {sent.name}"
        if self._request:
            asked = self._request
            at = f"{asked.requested_at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
            return f"stopped on request of {asked.requested_by} at {at}"
        if self._successor:
            return f"stopped, for the lease was taken over by {self._successor}"
        return None

    def require_held(self) -> None:
        """Refuse to call a run done that gave way to another.

        Raises:
            RetryableError: the lease was taken over while this process was paused or
                cut off from storage.
        """
        if self._successor is not None:
            raise held_error(self._successor)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def close(self) -> None:
        """Stop renewing, release the lease and remove a request that was obeyed.

        What storage refuses is only logged: the lease then ends by its expiry.
        """
        self._ended.set()
        self._thread.join()
        try:
            self._successor = release_lease(self._lease) or self._successor
            withdraw_stop(self._lease)
        except (StorageError, OSError) as error:
            _LOG.warning("lease of %r not released: %s", self._lease.checkpoint, error)

    def _keep(self) -> None:
        interval = self._lease.expiry_seconds / _HEARTBEATS_PER_EXPIRY
        look = min(_LOOK_SECONDS, interval)
        due = time.monotonic() + interval
        while not self._ended.wait(look) and self._successor is None:
            try:
                self._request = self._request or read_stop(self._lease)
                if time.monotonic() >= due:
                    due = time.monotonic() + interval
                    self._renew()
            except (StorageError, OSError) as error:
                _LOG.warning("lease of %r: %s", self._lease.checkpoint, error)

    def _renew(self) -> None:
        newest = renew_lease(self._lease)
        if newest.epoch == self._lease.epoch:
            self._lease = newest
            return
        self._successor = newest
        _LOG.warning("the lease of %r was taken over by %s", newest.checkpoint, newest)


@contextmanager
def hold_lease(
    checkpoint: str, *, query: str, run_id: str, expiry: timedelta = EXPIRY
) -> Iterator[Hold]:
    """Hold the lease of ``checkpoint`` within the block; signals wait for its batch.

    Raises:
        RetryableError: another process holds it, or took it over before what is done
            in the block failed.
    """
    lease = acquire_lease(checkpoint, query=query, run_id=run_id, expiry=expiry)
    with signals.finishing_first():
        hold = Hold(lease)
        hold.start()
        try:
            with closing(hold):
                yield hold
        except FatalError:
            # What another one took over fails in many ways, none of them to be mended.
            hold.require_held()
            raise
