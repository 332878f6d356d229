"""The lease of a driver that is stopped, as its successor finds it."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from sluice import storage
from sluice.control.lease import read_lease

SECONDS = 2


def shorten_lease(checkpoint: str) -> None:
    """Let the lease of a stopped driver end within seconds, not after the default."""
    lease = read_lease(checkpoint)
    assert lease
    shorter = replace(lease, expiry_seconds=SECONDS)
    storage.put(lease.root, lease.key, msgspec.json.encode(shorter))
