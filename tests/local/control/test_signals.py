"""The first signal lets a query finish its batch; all others end the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

DEADLINE = 60  # seconds, for a machine that has much to do

PROGRAM = """
import signal, sys, time
from sluice.control import signals

# A shell lets what it runs in the background ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

def foreign(number, frame):
    print("foreign handler", flush=True)

def rest():
    # A signal between the call of a sleep and its beginning is obeyed behind it.
    for _ in range(2000):
        time.sleep(0.01)

with signals.listening():
    if "ignored" in sys.argv:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "spark" in sys.argv:  # as a new SparkContext does
        signal.signal(signal.SIGINT, foreign)
    if "query" in sys.argv:
        with signals.finishing_first():
            signals.listen_again()
            print("ready", flush=True)
            until = time.monotonic() + 20
            while signals.received() is None and time.monotonic() < until:
                time.sleep(0.01)
            print("received", signals.received().name, flush=True)
            if "stubborn" in sys.argv:
                rest()
    else:
        print("ready", flush=True)
        rest()
print("done", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, flush=True)
"""


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the program and wait until it listens."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("claimed", ["", "spark"])
def test_first_signal_while_a_query_runs_is_only_noted(
    sent: signal.Signals, claimed: str
) -> None:
    """Also where Spark has claimed Ctrl-C; afterwards all is as it was."""
    process = start("query", claimed)
    process.send_signal(sent)
    printed, errors = process.communicate(timeout=DEADLINE)
    assert printed == f"received {sent.name}\ndone True\n"
    assert "the micro-batch is finished first" in errors
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_second_signal_ends_the_process(sent: signal.Signals, code: int) -> None:
    """With the code that shells give to what a signal ended, and no traceback."""
    process = start("query", "stubborn")
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "received SIGTERM\n"
    process.send_signal(sent)
    printed, errors = process.communicate(timeout=DEADLINE)
    assert (printed, process.returncode) == ("", code)
    assert "Traceback" not in errors


def test_signal_while_no_query_runs_ends_the_process() -> None:
    """There is no micro-batch to wait for."""
    process = start()
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=DEADLINE)
    assert (printed, process.returncode) == ("", 143)


def test_ignored_signal_stays_ignored() -> None:
    """A shell's background job must not end by the Ctrl-C for another one."""
    process = start("query", "ignored")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=DEADLINE)
    assert printed == "received SIGTERM\ndone True\n"
