"""Processes are found and ended by a mark, never by a name or a stale id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from sluice.orchestration.processes import Mark, end_marked, list_marked

PROGRAM = """
import signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "parent" in sys.argv:
    subprocess.Popen([sys.executable, "-c", {child!r}])
print("ready", flush=True)
time.sleep(60)
"""


def start(mark: Mark, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a program with a mark and wait until it is up."""
    child = "import time; time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(child=child), *arguments],
        env={**os.environ, **mark.as_environment()},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    return process


def test_only_processes_with_the_mark_are_ended():
    """Somebody else's process must never be hit."""
    mine, other = Mark.new("SLUICE_TEST"), Mark.new("SLUICE_TEST")
    ours, theirs = start(mine), start(other)
    try:
        assert end_marked(mine, grace_seconds=5) == [ours.pid]
        assert ours.wait() == -signal.SIGTERM
        assert list_marked(other) == [theirs.pid]
    finally:
        theirs.kill()
        theirs.wait()


def test_a_child_whose_parent_is_gone_is_still_found():
    """So are Python drivers whose spark-submit was killed."""
    mark = Mark.new("SLUICE_TEST")
    parent = start(mark, "parent")
    parent.kill()
    parent.wait()
    [orphan] = list_marked(mark)
    assert orphan != parent.pid
    assert end_marked(mark, grace_seconds=5) == [orphan]
    assert list_marked(mark) == []


def test_what_ignores_the_request_is_killed_after_the_grace():
    """Airflow's supervisor waits no more than five seconds."""
    mark = Mark.new("SLUICE_TEST")
    process = start(mark, "stubborn")
    began = time.monotonic()
    end_marked(mark, grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert process.wait() == -signal.SIGKILL


def test_the_exit_code_is_left_to_the_parent():
    """Reaped by us, a failed submit would look to Popen like a success."""
    mark = Mark.new("SLUICE_TEST")
    process = start(mark)
    end_marked(mark, grace_seconds=5)
    assert process.wait() == -signal.SIGTERM


def test_a_process_that_carries_the_mark_does_not_end_itself():
    """A caller that was started with the mark outlives its own clean-up."""
    mark = Mark.new("SLUICE_TEST")
    program = (
        "import os; from sluice.orchestration.processes import Mark, end_marked;"
        "mark = Mark('SLUICE_TEST', os.environ['SLUICE_TEST']);"
        "assert end_marked(mark, grace_seconds=1) == []"
    )
    environ = {**os.environ, **mark.as_environment()}
    environ["PYTHONPATH"] = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-c", program], env=environ, check=True)
