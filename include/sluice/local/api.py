"""Airflow's REST API, as far as we need it, over the loopback interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from sluice.errors import Condition, FatalError, RetryableError

_TIMEOUT_SECONDS = 30.0
# No proxy: the server is on this machine.
_OPENER: OpenerDirector = build_opener(ProxyHandler({}))


class AirflowApi:
    """A session with one API server.

    Raises:
        RetryableError: the server does not answer (yet), or is busy.
        FatalError: it refuses; the message holds its reason.
    """

    def __init__(self, url: str, *, user: str, password: str) -> None:
        self._url = url
        self._token: str | None = None
        self._login = {"username": user, "password": password}

    def health(self) -> dict[str, str | None]:
        """Return the status of each component that Airflow knows of."""
        found = self._call("GET", "/api/v2/monitor/health")
        return {name: facts.get("status") for name, facts in found.items() if facts}

    def dag_ids(self) -> set[str]:
        """Return the Dags that the Dag processor has read."""
        return {dag["dag_id"] for dag in self._ask("GET", "/dags?limit=100")["dags"]}

    def import_errors(self) -> list[str]:
        """Return what is wrong with Dag files."""
        found = self._ask("GET", "/importErrors")["import_errors"]
        return [str(each["stack_trace"]) for each in found]

    def set_paused(self, dag_id: str, *, paused: bool) -> None:
        """Let the scheduler create runs, or not."""
        self._ask("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str, params: Mapping[str, object]) -> str:
        """Start a manual run and return its id."""
        body = {"logical_date": None, "conf": dict(params)}
        return str(self._ask("POST", f"/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run."""
        return str(self._ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """Return the state of each task of a run."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found = self._ask("GET", path)["task_instances"]
        return {each["task_id"]: each["state"] for each in found}

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        if self._token is None:
            answer = self._call("POST", "/auth/token", self._login)
            self._token = str(answer["access_token"])
        return self._call(method, f"/api/v2{path}", body)

    def _call(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, content, headers, method=method)
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            reason = error.read().decode(errors="replace")
            # Airflow answers so while another process writes its SQLite database.
            busy = error.code == HTTPStatus.SERVICE_UNAVAILABLE
            refuse = RetryableError if busy else FatalError
            raise refuse(
                Condition.AIRFLOW_FAILED,
                f"Airflow at {self._url} refused {method} {path} with {error.code}: "
                f"{reason}",
                {"status": error.code},
            ) from None
        except (URLError, ConnectionError, TimeoutError) as error:
            raise RetryableError(
                Condition.AIRFLOW_FAILED,
                f"Airflow at {self._url} does not answer: {error}; see `make up`",
            ) from None
