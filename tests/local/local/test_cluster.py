"""The rules of ``make cluster`` that need no JVM."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from sluice.control.processes import ProcessGroup
from sluice.errors import RetryableError
from sluice.local.cluster import (
    Cluster,
    count_alive_workers,
    start_cluster,
)


def cluster(port: int) -> Cluster:
    """Return a cluster of which no process was started."""
    return Cluster(ProcessGroup(folder="/nowhere", port=port))


@pytest.mark.parametrize("taken", [0, 1])
def test_taken_port_is_refused_before_anything_starts(
    tmp_path: Path, taken: int
) -> None:
    """The master's page has a port too, and Spark would take another in silence."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RetryableError, match="make cluster SPARK_PORT="):
            start_cluster(tmp_path, port=port - taken)

    assert not list(tmp_path.iterdir())


def test_connection_names_the_master_as_airflow_wants_it() -> None:
    """Airflow joins host and port; a host without the scheme would be YARN's."""
    connection = json.loads(cluster(7177).connection)
    assert connection == {
        "conn_type": "spark",
        "host": "spark://127.0.0.1",
        "port": 7177,
    }


def test_the_secret_is_named_and_never_shown() -> None:
    """What `make cluster` prints lands in a shell's history."""
    variables = cluster(7177).variables
    assert variables["SLUICE_SPARK_SECRET_FILE"] == "/nowhere/secret"
    assert variables["AIRFLOW_CONN_SPARK_DEFAULT"] == cluster(7177).connection
    assert len(variables) == 2


def test_master_that_does_not_answer_has_no_workers() -> None:
    """While it starts nothing listens, and that is no error."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    assert count_alive_workers(cluster(port - 1)) == 0


class EmptyPage(BaseHTTPRequestHandler):
    """What the master's server says before its pages are attached."""

    def do_GET(self) -> None:
        """Answer well, and with nothing."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_master_whose_page_is_not_ready_has_no_workers() -> None:
    """On a busy machine its server answers before it knows anything."""
    with HTTPServer(("127.0.0.1", 0), EmptyPage) as server:
        Thread(target=server.handle_request, daemon=True).start()
        assert count_alive_workers(cluster(server.server_port - 1)) == 0
