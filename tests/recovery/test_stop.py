"""A query asked to stop: its micro-batch is finished, and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from sluice.control.lease import read_lease
from stopping import DEADLINE, FILES, SLUICE, Lake, running, wait_for_batch

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(600)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return a pipeline with its files and nothing read yet."""
    return Lake(tmp_path)


def finish(lake: Lake) -> None:
    """Run the rest and hold the table against what has landed."""
    with running(lake) as process:
        told, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, errors
    assert "audit verdict: info" in told or "audit verdict: ok" in told, told
    assert lake.orders() == Counter(f"order-{number}" for number in range(FILES))


def test_stop_request_lets_the_micro_batch_finish(lake: Lake) -> None:
    """Offset and commit log agree, later steps are not begun, the rest comes once."""
    with running(lake) as process:
        wait_for_batch(lake, process, 4)
        listed = subprocess.check_output(
            [*SLUICE, "queries", "--pipeline", str(lake.file), "--json"], text=True
        )
        subprocess.check_call([*SLUICE, "queries", "stop", str(lake.file), "--wait"])
        assert not lake.is_cut
        told, errors = process.communicate(timeout=DEADLINE)

    (query,) = json.loads(listed)
    assert (query["query"], query["pid"]) == ("orders_bronze", process.pid)
    assert process.returncode == 0, errors
    assert "stopped on request of " in told
    assert "audit verdict" not in told
    assert 4 <= lake.done < FILES - 1
    assert sum(lake.orders().values()) == lake.done + 1
    assert lake.control() == ["lease/1.json"]
    finish(lake)


@pytest.mark.long
def test_signals_let_it_finish_once_and_never_twice(lake: Lake) -> None:
    """One process is signalled three times, in as many runs, and lastly left alone."""
    for sent in (signal.SIGTERM, signal.SIGINT):
        _stop_by(lake, sent)
    _stop_at_once(lake)
    finish(lake)


def _stop_by(lake: Lake, sent: signal.Signals) -> None:
    """Send the first signal: the micro-batch is finished and the exit code 0."""
    before = lake.done
    with running(lake) as process:
        wait_for_batch(lake, process, before + 3)
        if sent is signal.SIGINT:
            os.killpg(process.pid, sent)  # as a terminal does
        else:
            process.send_signal(sent)
        told, errors = process.communicate(timeout=DEADLINE)

    assert process.returncode == 0, errors
    assert f"stopped by {sent.name}" in told
    assert not lake.is_cut
    assert before + 3 <= lake.done < FILES - 1
    lease = read_lease(str(lake.checkpoint))
    assert lease is not None
    assert lease.released_at is not None


def _stop_at_once(lake: Lake) -> None:
    """Send a second signal: neither JVM nor worker outlives it, nor is it a failure."""
    with running(lake) as process:
        wait_for_batch(lake, process, lake.done + 2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        _, errors = process.communicate(timeout=DEADLINE)
        assert time.monotonic() - began < 5

    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert lake.done < FILES - 1
