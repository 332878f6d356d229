from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from py4j.protocol import Py4JError, Py4JNetworkError

from sluice.control import signals
from sluice.control.jvm_loss import jvm_loss_translated, was_killed
from sluice.errors import Condition, RetryableError

MET = [
    Py4JNetworkError("Answer from Java side is empty"),
    Py4JError("An error occurred while calling o1.start"),
    ConnectionRefusedError(111, "Connection refused"),
]


@pytest.fixture
def jvm(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Return the process that stands for the JVM which this one has started."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(signals, "started_jvm", lambda: process)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("error", MET, ids=lambda error: type(error).__name__)
def test_whatever_meets_a_jvm_that_is_gone_is_worth_another_try(
    jvm: subprocess.Popen[bytes], error: Exception
) -> None:
    """The next run repeats what was cut off, so no person need look at it."""
    jvm.kill()

    with pytest.raises(RetryableError) as caught, jvm_loss_translated():
        raise error

    assert caught.value.condition is Condition.QUERY_FAILED


@pytest.mark.parametrize("error", MET, ids=lambda error: type(error).__name__)
@pytest.mark.usefixtures("jvm")
def test_error_of_a_jvm_that_lives_is_raised_as_it_is(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A wrong call, or another server that refuses, is not mended by another try."""
    monkeypatch.setattr("sluice.control.jvm_loss._DYING_SECONDS", 0.1)

    with pytest.raises(type(error)), jvm_loss_translated():
        raise error


def test_jvm_that_ends_with_its_group_is_no_failure(
    jvm: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C goes to the JVM too, and the process was asked to end."""
    jvm.kill()
    monkeypatch.setattr(signals, "received", lambda: signal.SIGINT)

    with pytest.raises(SystemExit) as caught, jvm_loss_translated():
        raise MET[0]

    assert caught.value.code == 130


@pytest.mark.parametrize(
    ("code", "killed"),
    [
        ("import os; os.kill(os.getpid(), 9)", True),
        ("raise SystemExit(143)", True),
        ("raise SystemExit(1)", False),
    ],
)
def test_jvm_that_did_not_start_was_killed_or_is_broken(
    code: str, killed: bool
) -> None:
    """PySpark raises the same for both, with its process in hand."""

    def launch() -> None:
        proc = subprocess.Popen([sys.executable, "-c", code])
        proc.wait()
        message = "Java gateway process exited"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError) as caught:
        launch()

    assert was_killed(caught.value) is killed
