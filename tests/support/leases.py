"""Leases with an expiry that a test can wait for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec

from sluice import storage
from sluice.control.lease import (
    Lease,
    acquire_lease,
    control_location,
    read_lease,
)

SECONDS = 2
EXPIRY = timedelta(seconds=1)


def acquire(checkpoint: str, run_id: str = "mine") -> Lease:
    """Take the lease with an expiry that a test can wait for."""
    return acquire_lease(
        checkpoint, query="orders_bronze", run_id=run_id, expiry=EXPIRY
    )


def objects(checkpoint: str) -> list[str]:
    """Return all that is kept beside the checkpoint."""
    return storage.list_keys(control_location(checkpoint))


def shorten_lease(checkpoint: str) -> None:
    """Let the lease of a stopped driver end within seconds, not after the default."""
    lease = read_lease(checkpoint)
    assert lease
    shorter = replace(lease, expiry_seconds=SECONDS)
    storage.put(lease.root, lease.key, msgspec.json.encode(shorter))
