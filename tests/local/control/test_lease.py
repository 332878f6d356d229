"""A lease has one holder, ends with it, and leaves one object behind at most."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sluice import storage
from sluice.control import lease as lease_module
from sluice.control.holder import Holder
from sluice.control.lease import (
    Lease,
    acquire_lease,
    control_location,
    read_lease,
    renew_lease,
)
from sluice.errors import Condition, RetryableError
from support.leases import EXPIRY, acquire, objects

RACERS = 16
ELSEWHERE = Holder("elsewhere", "another user", 1, "another boot", 1)

RACE = """
import sys
from datetime import timedelta
from pathlib import Path
from sluice.control.hold import hold_lease
from sluice.errors import RetryableError
print("ready", flush=True)
sys.stdin.readline()
expiry = timedelta(seconds=5)
try:
    with hold_lease(sys.argv[1], query="q", run_id=sys.argv[2], expiry=expiry) as hold:
        print("won", hold.lease.epoch, flush=True)
        sys.stdin.readline()
except RetryableError as error:
    print(error.condition, error.context["run_id"], flush=True)
"""
HOLD = """
import sys, time
from datetime import timedelta
from pathlib import Path
from sluice.control.hold import hold_lease
expiry = timedelta(seconds=1)
with hold_lease(sys.argv[1], query="orders_bronze", run_id="held", expiry=expiry):
    print("held", flush=True)
    sys.stdin.readline()
"""


def held_elsewhere(checkpoint: str, run_id: str = "theirs") -> Lease:
    """Take the lease as a process on another machine that will not be heard again."""
    lease = replace(acquire(checkpoint, run_id), holder=ELSEWHERE)
    return renew_lease(lease)


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """Return where a query keeps its checkpoint."""
    return str(tmp_path / "checkpoints" / "orders" / "bronze")


@contextmanager
def program(text: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of ours that talks by its pipes; it is gone after the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a program wrote."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    """Let a program go on."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_of_many_processes_one_wins(checkpoint: str) -> None:
    """Each loser gets the winner's run, and only one object is left at the end."""
    racers = [program(RACE, checkpoint, f"run-{each}") for each in range(RACERS)]
    started = [racer.__enter__() for racer in racers]
    try:
        assert {line(each) for each in started} == {"ready"}
        for each in started:
            go_on(each)
        outcomes = [line(each) for each in started]
        winner = outcomes.index("won 1")
        lost = f"{Condition.LEASE_HELD} run-{winner}"
        assert sorted(outcomes) == sorted(["won 1"] + [lost] * (RACERS - 1))
        go_on(started[winner])
        assert started[winner].wait(10) == 0
    finally:
        for racer in racers:
            racer.__exit__(None, None, None)
    assert objects(checkpoint) == ["lease/1.json"]
    released = read_lease(checkpoint)
    assert released is not None
    assert released.released_at is not None


def test_loser_learns_who_holds_it_and_how_to_stop_it(checkpoint: str) -> None:
    """A living holder is recognised at its next heartbeat, long before the expiry."""
    with program(HOLD, checkpoint) as holder:
        assert line(holder) == "held"
        began = time.monotonic()
        with pytest.raises(RetryableError) as raised:
            acquire(checkpoint)
        assert time.monotonic() - began < EXPIRY.total_seconds()
        go_on(holder)
        assert holder.wait(10) == 0
    error = raised.value
    assert (error.condition, error.exit_code) == (Condition.LEASE_HELD, 75)
    assert error.context["pid"] == holder.pid
    assert error.context["run_id"] == "held"
    assert f"process {holder.pid} of " in error.message
    assert f"`sluice queries stop {checkpoint}`" in error.message
    assert acquire(checkpoint).epoch == 2


def test_lease_of_a_killed_process_of_this_machine_is_free_at_once(
    checkpoint: str,
) -> None:
    """No process need wait for a heartbeat of one that is gone."""
    with program(HOLD, checkpoint) as holder:
        assert line(holder) == "held"
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        began = time.monotonic()
        taken = acquire(checkpoint)
        assert time.monotonic() - began < EXPIRY.total_seconds() / 2
    assert taken.epoch == 2
    assert objects(checkpoint) == ["lease/2.json"]


def test_paused_holder_is_succeeded_and_notices(checkpoint: str) -> None:
    """It is alive, but without a heartbeat its lease ends; it leaves nothing behind."""
    with program(HOLD, checkpoint) as holder:
        assert line(holder) == "held"
        holder.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        mine = acquire(checkpoint)
        assert time.monotonic() - began >= EXPIRY.total_seconds()
        holder.send_signal(signal.SIGCONT)
        go_on(holder)
        assert holder.wait(10) == 0
    assert read_lease(checkpoint) == mine
    assert objects(checkpoint) == ["lease/2.json"]


def test_lease_elsewhere_ends_after_its_expiry_and_no_sooner(checkpoint: str) -> None:
    """Its holder cannot be seen, so time decides: one's own, not two clocks."""
    theirs = held_elsewhere(checkpoint)
    began = time.monotonic()
    mine = acquire(checkpoint)
    assert time.monotonic() - began >= EXPIRY.total_seconds()
    assert mine.epoch == theirs.epoch + 1


@pytest.mark.parametrize("hours", [-5, 5])
def test_wrong_clock_of_a_holder_changes_nothing(checkpoint: str, hours: int) -> None:
    """A heartbeat is a change of the object; the time in it is for people only."""
    theirs = held_elsewhere(checkpoint)
    wrong = replace(theirs, heartbeat_at=theirs.heartbeat_at + timedelta(hours=hours))
    storage.put(theirs.root, theirs.key, lease_module._encode(wrong))
    began = time.monotonic()
    assert acquire(checkpoint).epoch == 2
    assert 1 <= time.monotonic() - began < 3


def test_expiry_is_that_of_the_holder(checkpoint: str) -> None:
    """It has promised heartbeats in its own measure, not in the challenger's."""
    lease = acquire_lease(
        checkpoint, query="q", run_id="r", expiry=timedelta(seconds=2)
    )
    renew_lease(replace(lease, holder=ELSEWHERE))
    began = time.monotonic()
    acquire(checkpoint)
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize("content", [b"", b'{"run_id": "\xff"}'])
def test_damaged_lease_is_watched_and_then_succeeded(
    checkpoint: str, content: bytes
) -> None:
    """A crash of the machine may leave an empty object, which needs no repair."""
    storage.put(control_location(checkpoint), "lease/7.json", content)
    assert acquire(checkpoint).epoch == 8
    assert objects(checkpoint) == ["lease/8.json"]
