"""A job ends once no process waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from sluice.control.submitter import submitter_environment

JOB = """
import time
from sluice.control.submitter import obey_submitter
obey_submitter()
print("ready", flush=True)
time.sleep(20)
"""
SLEEP = "import time; time.sleep(60)"


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    """Start a job and wait until it watches."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environment,
        },
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_job_ends_when_one_of_its_submitters_is_killed() -> None:
    """Its exit is that of SIGTERM, so the batch that runs would be finished."""
    submitter = subprocess.Popen([sys.executable, "-c", SLEEP])
    job = start(dict(submitter_environment([os.getpid(), submitter.pid])))
    time.sleep(1.5)
    assert job.poll() is None
    submitter.kill()
    submitter.wait()
    assert job.wait(10) == -signal.SIGTERM


def test_job_without_a_submitter_goes_on() -> None:
    """Started by hand it has no submitter to wait for it."""
    job = start({})
    time.sleep(1.5)
    assert job.poll() is None
    job.kill()
    job.wait()
