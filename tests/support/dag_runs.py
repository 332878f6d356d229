"""What only tests ask of Airflow's REST API: its runs, and a backfill of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sluice.errors import RetryableError
from sluice.local.api import AirflowApi

_STEPS = {"preflight", "bronze", "silver", "audit"}
_ENDED = {"success", "failed"}


def list_runs(api: AirflowApi) -> list[dict[str, Any]]:
    """Return the runs of the sample pipeline's Dag."""
    return list(api._ask("GET", "/dags/orders/dagRuns")["dag_runs"])


def backfill(api: AirflowApi, start: datetime, end: datetime) -> None:
    """Start Airflow's backfill of the intervals from ``start`` to ``end``.

    Airflow refuses it while another process writes its SQLite database.
    """
    body = {
        "dag_id": "orders",
        "from_date": start.isoformat(),
        "to_date": end.isoformat(),
        "max_active_runs": 1,
        "reprocess_behavior": "completed",
        "dag_run_conf": {},
    }
    deadline = time.monotonic() + 60
    while True:
        try:
            api._ask("POST", "/backfills", body)
        except RetryableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def run_resting_dag(port: int, password: str) -> None:
    """Trigger the Dag as a user does who has read .env, and wait for its end."""
    api = AirflowApi(f"http://127.0.0.1:{port}", user="admin", password=password)
    await_that(lambda: "orders" in api.dag_ids(), 300)
    assert list_runs(api) == [], "a Dag rests until it is switched on"
    api.set_paused("orders", paused=False)
    run_id = api.trigger("orders", {})
    await_that(lambda: api.run_state("orders", run_id) in _ENDED, 900)
    # A scheduled run of the last whole hour may have been the first to see the files.
    await_that(lambda: {run["state"] for run in list_runs(api)} <= _ENDED, 900)
    states = {run["dag_run_id"]: run["state"] for run in list_runs(api)}
    tasks = [api.task_states("orders", each) for each in states]
    assert set(states.values()) == {"success"}, tasks
    done = {task for run in tasks for task, state in run.items() if state == "success"}
    assert done == _STEPS
    assert api.import_errors() == []


def await_that(condition: Callable[[], bool], limit: float) -> None:
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit:.0f} s"
        time.sleep(1)
