"""The lease of a checkpoint in a bucket has one holder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sluice.control.lease import acquire_lease, read_lease

pytestmark = [pytest.mark.needs_s3, pytest.mark.timeout(900)]

RACERS = 3
DRIVER = """
import sys
from datetime import timedelta
from sluice.control.hold import hold_lease
from sluice.errors import RetryableError
checkpoint, run_id = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
try:
    with hold_lease(checkpoint, query="q", run_id=run_id, expiry=timedelta(seconds=5)):
        print("holds it", flush=True)
        sys.stdin.readline()
except RetryableError as error:
    print(error.condition, flush=True)
"""


@contextmanager
def driver(checkpoint: str, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process that asks for the lease when it gets a line, and keeps it."""
    command = [sys.executable, "-c", DRIVER, checkpoint, run_id]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a driver prints."""
    assert process.stdout
    return process.stdout.readline().strip()


def test_racing_drivers_get_one_lease(bucket: str) -> None:
    """Of all that ask at once one holds it; killed, it is free at once."""
    checkpoint = f"{bucket}/checkpoints/orders/bronze"
    with (
        driver(checkpoint, "0") as first,
        driver(checkpoint, "1") as second,
        driver(checkpoint, "2") as third,
    ):
        racers = [first, second, third]
        assert [next_line(each) for each in racers] == ["ready"] * RACERS
        for each in racers:
            assert each.stdin
            each.stdin.write("go\n")
            each.stdin.flush()
        outcomes = [next_line(each) for each in racers]
        lease = read_lease(checkpoint)

    assert sorted(outcomes) == [*["LEASE_HELD"] * (RACERS - 1), "holds it"]
    assert lease is not None
    assert lease.run_id == str(outcomes.index("holds it"))
    after = acquire_lease(checkpoint, query="q", run_id="after")
    assert read_lease(checkpoint) == after
