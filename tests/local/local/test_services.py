"""Starting, as far as no Airflow is needed for it."""

from __future__ import annotations

import socket

import pytest

from sluice.control.processes import ProcessGroup
from sluice.errors import Condition, RetryableError
from sluice.local.environment import LocalAirflow
from sluice.local.services import start_services


def test_a_port_in_use_is_refused_with_the_way_out(tmp_path):
    """Airflow would end a minute later with a stack trace in a log."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        airflow = LocalAirflow(root=tmp_path, home=tmp_path, port=port)
        group = ProcessGroup(folder=str(tmp_path), port=port)
        with pytest.raises(RetryableError, match="SLUICE_PORT=") as raised:
            start_services(airflow, group)
    assert raised.value.condition is Condition.PORT_IN_USE
    assert group.pids == {}
