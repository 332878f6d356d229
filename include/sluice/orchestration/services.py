"""The processes of the local Airflow: started together, found by a mark, all ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluice.errors import Condition, FatalError, RetryableError
from sluice.orchestration.api import AirflowApi
from sluice.orchestration.environment import LocalAirflow
from sluice.orchestration.ports import require_free_port
from sluice.orchestration.processes import Mark, end_marked, list_marked

# No triggerer: none of our operators defers.
COMPONENTS = {
    "api-server": (),
    # The API server reads the logs from the disk; nothing need listen for them.
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
}

_MARK_NAME = "SLUICE_SERVICES"
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Services:
    """What runs: the mark of all its processes, its port, and the components' ids."""

    mark: Mark
    port: int
    pids: Mapping[str, int]


def read_services(airflow: LocalAirflow) -> Services | None:
    """Return what was started and not ended, whether or not it still runs."""
    path = _record(airflow)
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return Services(Mark(_MARK_NAME, found["mark"]), found["port"], found["pids"])


def is_running(services: Services | None) -> bool:
    """Tell whether every component runs."""
    return services is not None and set(services.pids.values()) <= set(
        list_marked(services.mark)
    )


def start_services(airflow: LocalAirflow) -> Services:
    """Start every component in the background.

    Raises:
        RetryableError: something else listens on the port.
    """
    require_free_port(airflow.port, "another: `make up SLUICE_PORT=8181`")
    mark = Mark.new(_MARK_NAME)
    environment = {**airflow.environment(), **mark.as_environment()}
    pids: dict[str, int] = {}
    for component in COMPONENTS:
        pids[component] = _start(component, airflow, environment)
        # Written at once, so that what was started can be ended whatever comes next.
        _write(airflow, Services(mark, airflow.port, pids))
    return Services(mark, airflow.port, pids)


def await_health(airflow: LocalAirflow, services: Services) -> AirflowApi:
    """Wait until all components are healthy and return a session with the API.

    Raises:
        FatalError: a component ended, or is not healthy in time; with its last lines.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        _require_alive(airflow, services)
        api = _answering_api(airflow)
        if api is not None:
            return api
        time.sleep(_POLL_SECONDS)
    raise FatalError(
        Condition.AIRFLOW_FAILED,
        f"Airflow is not healthy after {_START_SECONDS:.0f} s; see {airflow.logs}",
    )


def stop_services(
    airflow: LocalAirflow, *, patience_seconds: float = _STOP_SECONDS
) -> list[int]:
    """End what was started, tasks and their Spark included; return the ended ids.

    The components are asked first and end their own tasks; what then remains is killed.
    """
    services = read_services(airflow)
    if services is None:
        return []
    ended = set(list_marked(services.mark))
    for pid in ended & set(services.pids.values()):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while list_marked(services.mark) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    ended.update(end_marked(services.mark, grace_seconds=2.0))
    _record(airflow).unlink()
    return sorted(ended)


def connect(airflow: LocalAirflow) -> AirflowApi:
    """Return a session as the administrator whose password Airflow made up."""
    return AirflowApi(airflow.url, user="admin", password=admin_password(airflow))


def admin_password(airflow: LocalAirflow) -> str:
    """Return the password of the user ``admin``."""
    return str(json.loads(airflow.passwords.read_text(encoding="utf-8"))["admin"])


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])


def _record(airflow: LocalAirflow) -> Path:
    return airflow.home / "services.json"


def _write(airflow: LocalAirflow, services: Services) -> None:
    facts = {
        "mark": services.mark.value,
        "port": services.port,
        "pids": dict(services.pids),
    }
    _record(airflow).write_text(json.dumps(facts), encoding="utf-8")


def _log(airflow: LocalAirflow, component: str) -> Path:
    return airflow.logs / f"{component}.log"


def _start(component: str, airflow: LocalAirflow, environ: Mapping[str, str]) -> int:
    airflow.logs.mkdir(parents=True, exist_ok=True)
    with _log(airflow, component).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "airflow", component, *COMPONENTS[component]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=airflow.root,
            env=environ,
            start_new_session=True,
        ).pid


def _require_alive(airflow: LocalAirflow, services: Services) -> None:
    alive = set(list_marked(services.mark))
    for component in _dead(services, alive):
        raise FatalError(
            Condition.AIRFLOW_FAILED,
            f"Airflow's {component} ended while it started; its last lines:\n"
            f"{tail(_log(airflow, component))}",
            {"component": component},
        )


def _dead(services: Services, alive: set[int]) -> Iterator[str]:
    return (name for name, pid in services.pids.items() if pid not in alive)


def _answering_api(airflow: LocalAirflow) -> AirflowApi | None:
    if not airflow.passwords.is_file():
        return None
    try:
        api = connect(airflow)
        health = api.health()
    except RetryableError:
        return None
    wanted = ("metadatabase", "scheduler", "dag_processor")
    return api if all(health.get(name) == "healthy" for name in wanted) else None
