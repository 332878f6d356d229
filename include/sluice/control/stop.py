"""A request to stop, kept beside the checkpoint: the batch finishes, the query ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sluice import storage
from sluice.control.lease import STOP_KEY, Lease, find_living, read_lease
from sluice.records import load_record, save_record


@dataclass(frozen=True)
class StopRequest:
    """Who asked the holder of ``epoch`` to stop, and when.

    It names the epoch, so that no later run obeys it, however the clocks go.
    """

    epoch: int
    requested_at: datetime
    requested_by: str


def request_stop(checkpoint: str, *, requested_by: str) -> Lease | None:
    """Ask the driver of ``checkpoint`` to stop; return its lease, None where none runs.

    It obeys within seconds, but lets its micro-batch finish. Nothing is left behind
    where no driver runs, or where it ends of itself meanwhile.
    """
    lease = find_living(checkpoint)
    if lease is None:
        return None
    request = StopRequest(lease.epoch, datetime.now(UTC), requested_by)
    save_record(lease.root, STOP_KEY, request)
    # A driver first releases its lease and then removes the request: whichever of the
    # two comes last sees the other.
    now = read_lease(checkpoint)
    if now is None or now.epoch != lease.epoch or now.is_free:
        withdraw_stop(lease)
        return None
    return lease


def read_stop(lease: Lease) -> StopRequest | None:
    """Return the request that the holder of ``lease`` has to obey, if there is one."""
    request = load_record(lease.root, STOP_KEY, StopRequest)
    return request if request and request.epoch == lease.epoch else None


def withdraw_stop(lease: Lease) -> None:
    """Remove the request to the holder of ``lease``, and no other one's."""
    if read_stop(lease) is not None:
        storage.delete(lease.root, STOP_KEY)
