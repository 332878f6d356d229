"""Starting and stopping, as far as no Airflow is needed for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from sluice.errors import Condition, RetryableError
from sluice.orchestration.environment import LocalAirflow
from sluice.orchestration.processes import Mark
from sluice.orchestration.services import (
    Services,
    _write,
    is_running,
    read_services,
    start_services,
    stop_services,
)


@pytest.fixture
def airflow(tmp_path) -> LocalAirflow:
    """Return an Airflow of which nothing was started."""
    return LocalAirflow(root=tmp_path, home=tmp_path, port=1)


def test_a_port_in_use_is_told_with_the_way_out(tmp_path):
    """Airflow would end a minute later with a stack trace in a log."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        airflow = LocalAirflow(root=tmp_path, home=tmp_path, port=port)
        with pytest.raises(RetryableError, match="SLUICE_PORT=") as raised:
            start_services(airflow)
    assert raised.value.condition is Condition.PORT_IN_USE
    assert read_services(airflow) is None


def test_stopping_what_never_started_does_nothing(airflow):
    """`make down` may be called at any time, twice too."""
    assert stop_services(airflow) == []
    assert stop_services(airflow) == []


def test_a_stale_record_hits_no_process_that_got_its_id(airflow):
    """After a restart of the machine the ids belong to others."""
    mark = Mark.new("SLUICE_SERVICES")
    _write(airflow, Services(mark, 1, {"scheduler": os.getpid()}))
    assert not is_running(read_services(airflow))
    assert stop_services(airflow) == []
    assert read_services(airflow) is None


def test_all_that_carries_the_mark_is_stopped(airflow):
    """Tasks that a component has left behind are ended as well."""
    mark = Mark.new("SLUICE_SERVICES")
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    environ = {**os.environ, **mark.as_environment()}
    component, task = (subprocess.Popen(command, env=environ) for _ in range(2))
    _write(airflow, Services(mark, 1, {"scheduler": component.pid}))
    assert is_running(read_services(airflow))
    assert stop_services(airflow, patience_seconds=0.5) == sorted(
        [component.pid, task.pid]
    )
    assert component.wait() < 0
    assert task.wait() < 0
