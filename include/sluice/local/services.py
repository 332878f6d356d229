"""The processes of the local Airflow, started together."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from sluice.control.processes import ProcessGroup
from sluice.errors import Condition, FatalError, RetryableError
from sluice.local.api import AirflowApi
from sluice.local.environment import LocalAirflow
from sluice.local.ports import require_free_port

# No triggerer: none of our operators defers.
COMPONENTS = {
    "api-server": (),
    # The API server reads the logs from the disk; nothing need listen for them.
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
}

_START_SECONDS = 120.0
_POLL_SECONDS = 0.25


def start_services(airflow: LocalAirflow, group: ProcessGroup) -> None:
    """Start every component in the background.

    Raises:
        RetryableError: something else listens on the port.
    """
    require_free_port(airflow.port, "another: `make up SLUICE_PORT=8181`")
    environ = airflow.environment()
    for component, options in COMPONENTS.items():
        command = [sys.executable, "-m", "airflow", component, *options]
        group.start(component, command, cwd=airflow.root, environ=environ)


def await_health(airflow: LocalAirflow, group: ProcessGroup) -> AirflowApi:
    """Wait until all components are healthy and return a session with the API.

    Raises:
        FatalError: a component ended, or is not healthy in time; with its last lines.
    """
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        _require_alive(group)
        api = _answering_api(airflow)
        if api is not None:
            return api
        time.sleep(_POLL_SECONDS)
    raise FatalError(
        Condition.AIRFLOW_FAILED,
        f"Airflow is not healthy after {_START_SECONDS:.0f} s; see {airflow.logs}",
    )


def connect(airflow: LocalAirflow) -> AirflowApi:
    """Return a session as the administrator of the API server."""
    return AirflowApi(airflow.url, user="admin", password=admin_password(airflow))


def admin_password(airflow: LocalAirflow) -> str:
    """Return the password of the user ``admin``."""
    return str(json.loads(airflow.passwords.read_text(encoding="utf-8"))["admin"])


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    if not path.is_file():
        return ""
    return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])


def _require_alive(group: ProcessGroup) -> None:
    component = group.first_ended()
    if component:
        raise FatalError(
            Condition.AIRFLOW_FAILED,
            f"Airflow's {component} ended while it started; its last lines:\n"
            f"{tail(group.log(component))}",
            {"component": component},
        )


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
