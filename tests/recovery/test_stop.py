"""A query asked to stop: its micro-batch is finished, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sluice.cli import app
from sluice.control.lease import read_lease
from sluice.paths import control_location
from sluice.storage import list_keys
from support.lakes import ROWS, Lake
from support.stopping import DEADLINE, running, wait_for_batch

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(600)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline whose ten files are one micro-batch each."""
    lake = Lake(tmp_path, **{"cloudFiles.maxFilesPerTrigger": 1})
    lake.land(10)
    return lake


def assert_more_is_to_come(lake: Lake) -> None:
    """Hold the micro-batches against the files that have landed."""
    assert lake.bronze.committed < len(list(lake.landing.iterdir())) - 1


def sluice(*arguments: str) -> str:
    """Call ``sluice`` here, which does not take the time that a process takes."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def finish(lake: Lake) -> None:
    """Run the rest and hold the table against what has landed."""
    with running(lake) as process:
        printed, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert "audit verdict: info" in printed or "audit verdict: ok" in printed, printed
    assert lake.bronze_rows() == lake.landed_rows()


def test_stop_request_lets_the_micro_batch_finish(lake: Lake) -> None:
    """Offset and commit log agree, and later steps are not begun."""
    with running(lake) as process:
        wait_for_batch(lake, process, 1)
        (query,) = json.loads(sluice("queries", "--pipeline", str(lake.file), "--json"))
        sluice("queries", "stop", str(lake.file), "--wait")
        assert lake.bronze.cut_off() is None
        printed, errors = process.communicate(timeout=DEADLINE)

    assert (query["query"], query["pid"]) == ("orders_bronze", process.pid)
    assert process.returncode == 0, errors
    assert "stopped on request of " in printed
    assert "audit verdict" not in printed
    assert lake.bronze.committed >= 1
    assert_more_is_to_come(lake)
    assert lake.bronze_rows().total() == ROWS * (lake.bronze.committed + 1)
    assert list_keys(control_location(str(lake.bronze.checkpoint))) == ["lease/1.json"]


@pytest.mark.long
def test_signals_let_it_finish_once_and_never_twice(lake: Lake) -> None:
    """Each of three runs is signalled in another way; lastly the rest comes once."""
    lake.land(14)
    for sent in (signal.SIGTERM, signal.SIGINT):
        _stop_by(lake, sent)
    _stop_at_once(lake)
    finish(lake)


def _stop_by(lake: Lake, sent: signal.Signals) -> None:
    """Send the first signal: the micro-batch is finished and the exit code 0."""
    before = lake.bronze.committed
    with running(lake) as process:
        wait_for_batch(lake, process, before + 3)
        if sent is signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does
        else:
            process.send_signal(sent)
        printed, errors = process.communicate(timeout=DEADLINE)

    assert process.returncode == 0, errors
    assert f"stopped by {sent.name}" in printed
    assert lake.bronze.cut_off() is None
    assert lake.bronze.committed >= before + 3
    assert_more_is_to_come(lake)
    lease = read_lease(str(lake.bronze.checkpoint))
    assert lease is not None
    assert lease.released_at is not None


def _stop_at_once(lake: Lake) -> None:
    """Send a second signal: neither JVM nor worker outlives it, nor is it a failure."""
    with running(lake) as process:
        wait_for_batch(lake, process, lake.bronze.committed + 2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, errors = process.communicate(timeout=DEADLINE)
        assert time.monotonic() - began < 5

    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert_more_is_to_come(lake)
