"""What the health checks of docker-compose.yml call healthy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sluice.local.health import CHECKS, find_problem


@dataclass
class Pages:
    """A server on this machine that answers each path with a status and a content."""

    port: int = 0
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that name the port of each service."""
        names = (
            "AIRFLOW__API__PORT",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
            "SPARK_MASTER_WEBUI_PORT",
            "SPARK_WORKER_WEBUI_PORT",
        )
        return dict.fromkeys(names, str(self.port))


@pytest.fixture
def pages() -> Iterator[Pages]:
    """Return a running server without any page."""
    found = Pages()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = found.answers.get(self.path, (404, None))
            self.send_response(status)
            self.end_headers()
            if content is not None:
                self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_):
            """Keep the output of the tests clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_the_api_server_is_healthy_with_its_database(pages):
    """A server that answers, but without its database, is of no use."""
    for status, problem in (("healthy", ""), ("unhealthy", "metadatabase")):
        health = {"metadatabase": {"status": status}}
        pages.answers["/api/v2/monitor/health"] = (200, health)
        found = find_problem("api-server", pages.environ)
        assert bool(found) == bool(problem)
        assert problem in found


def test_the_scheduler_is_healthy_while_its_loop_beats(pages):
    """Its health server answers 503 when the loop hangs."""
    pages.answers["/health"] = (200, None)
    assert find_problem("scheduler", pages.environ) == ""
    pages.answers["/health"] = (503, None)
    assert "503" in find_problem("scheduler", pages.environ)


def test_sparks_master_is_healthy_while_it_leads(pages):
    """A master that recovers gives no work."""
    pages.answers["/json/"] = (200, {"status": "ALIVE"})
    assert find_problem("spark-master", pages.environ) == ""
    pages.answers["/json/"] = (200, {"status": "RECOVERING"})
    assert "'RECOVERING'" in find_problem("spark-master", pages.environ)


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ([{"id": "w1", "state": "ALIVE"}, {"id": "w2", "state": "DEAD"}], ""),
        ([{"id": "w1", "state": "DEAD"}, {"id": "w2", "state": "ALIVE"}], "'DEAD'"),
        ([{"id": "w2", "state": "ALIVE"}], "'unknown'"),
    ],
)
def test_a_worker_is_healthy_where_its_master_counts_on_it(pages, listed, problem):
    """A worker runs on after its master has given it up."""
    worker = {"id": "w1", "masterwebuiurl": f"http://localhost:{pages.port}/master"}
    pages.answers["/json/"] = (200, worker)
    pages.answers["/master/json/"] = (200, {"workers": listed})
    found = find_problem("spark-worker", pages.environ)
    assert bool(found) == bool(problem)
    assert problem in found


def test_a_worker_without_a_master_is_not_healthy(pages):
    """Before it is registered it names none."""
    pages.answers["/json/"] = (200, {"id": "w1", "masterwebuiurl": ""})
    assert "master" in find_problem("spark-worker", pages.environ)


@pytest.mark.parametrize("service", sorted(CHECKS))
def test_what_does_not_answer_or_answers_nonsense_is_not_healthy(pages, service):
    """A check that fails with a stack trace does not say what to do."""
    assert "404" in find_problem(service, pages.environ)
    assert "no '" in find_problem(service, {})
    for path in ("/json/", "/api/v2/monitor/health"):
        pages.answers[path] = (200, {"other": 1})
    assert find_problem(service, pages.environ) != ""


def test_the_exit_code_says_so(pages):
    """Docker looks at nothing else, and shows what was written."""
    pages.answers["/health"] = (200, None)
    command = [sys.executable, "-m", "sluice.local.health", "scheduler"]
    environ = {**os.environ, **pages.environ, "http_proxy": "http://127.0.0.1:9"}
    assert subprocess.run(command, env=environ, check=False).returncode == 0
    pages.answers.clear()
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"scheduler is not healthy" in done.stderr
