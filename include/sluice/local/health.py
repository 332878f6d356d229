"""Whether a service of ``docker-compose.yml`` is healthy; the exit code says so.

    python -m sluice.local.health api-server|scheduler|spark-master|spark-worker

Each service is asked by HTTP on this machine, on the port that its own environment
names. The other services of Airflow have no port: ``airflow jobs check`` reports them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from typing import Any
from urllib.request import ProxyHandler, build_opener

_TIMEOUT_SECONDS = 5.0
_API_PORT = "AIRFLOW__API__PORT"
_SCHEDULER_PORT = "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"
_MASTER_PORT = "SPARK_MASTER_WEBUI_PORT"
_WORKER_PORT = "SPARK_WORKER_WEBUI_PORT"
# A proxy must not come between the services of one network.
_OPENER = build_opener(ProxyHandler({}))

Environ = Mapping[str, str]


def check_api_server(environ: Environ) -> str:
    """Return why the API server is not healthy, or nothing."""
    path = "/api/v2/monitor/health"
    found = _ask(f"http://localhost:{environ[_API_PORT]}{path}")["metadatabase"]
    return _difference("metadatabase", found["status"], "healthy")


def check_scheduler(environ: Environ) -> str:
    """Return why the scheduler is not healthy, or nothing."""
    # Its answer has no content; without a heartbeat of its loop it is an error.
    _read(f"http://localhost:{environ[_SCHEDULER_PORT]}/health")
    return ""


def check_spark_master(environ: Environ) -> str:
    """Return why Spark's master is not healthy, or nothing."""
    found = _ask(f"http://localhost:{environ[_MASTER_PORT]}/json/")
    return _difference("master", found["status"], "ALIVE")


def check_spark_worker(environ: Environ) -> str:
    """Return why the master would give this worker no work, or nothing."""
    own = _ask(f"http://localhost:{environ[_WORKER_PORT]}/json/")
    master = own["masterwebuiurl"]
    if not master:
        return "the worker has not found its master yet"
    states = {each["id"]: each["state"] for each in _ask(f"{master}/json/")["workers"]}
    return _difference(own["id"], states.get(own["id"], "unknown"), "ALIVE")


CHECKS: Mapping[str, Callable[[Environ], str]] = {
    "api-server": check_api_server,
    "scheduler": check_scheduler,
    "spark-master": check_spark_master,
    "spark-worker": check_spark_worker,
}


def find_problem(service: str, environ: Environ) -> str:
    """Return why ``service`` is not healthy, or nothing."""
    try:
        return CHECKS[service](environ)
    except (OSError, HTTPException, ValueError) as error:
        return f"it does not answer: {error}"
    except KeyError as error:
        return f"no {error} in the environment or in the answer"


def main(arguments: Sequence[str]) -> int:
    """Check one service; return 0 where it is healthy, else print why and return 1."""
    parser = argparse.ArgumentParser(prog="sluice.local.health")
    parser.add_argument("service", choices=list(CHECKS))
    service = parser.parse_args(arguments).service
    problem = find_problem(service, os.environ)
    if problem:
        sys.stderr.write(f"{service} is not healthy: {problem}\n")
    return int(bool(problem))


def _ask(url: str) -> Any:
    return json.loads(_read(url))


def _read(url: str) -> bytes:
    with _OPENER.open(url, timeout=_TIMEOUT_SECONDS) as answer:
        return bytes(answer.read())


def _difference(subject: str, found: str, wanted: str) -> str:
    return "" if found == wanted else f"{subject} is {found!r}, expected {wanted!r}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
