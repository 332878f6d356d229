"""Airflow's own scheduler and REST API: a scheduled, a manual and a backfill run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sluice.config.load import PIPELINES_FOLDER
from sluice.control.processes import ProcessGroup
from sluice.history import read_steps
from sluice.local.api import AirflowApi
from sluice.local.environment import LocalAirflow
from sluice.local.services import admin_password, connect
from sluice.sample import land_next_hour
from sluice.sample.orders import FIRST_HOUR
from support.dag_runs import backfill, list_runs
from support.tables import (
    backfilled_windows,
    bronze_rows,
    landed_rows,
    open_windows,
    silver_rows,
    stream_windows,
)

HOUR = timedelta(hours=1)
# The third hour gets rows that come late in the fourth, whose last windows are open.
BACKFILL_FROM = FIRST_HOUR + 2 * HOUR
ALL_STEPS = {"preflight", "bronze", "silver", "audit"}
# The hours of the sample's day: the next one begins in months, not while the test runs.
SCHEDULE = f"0 * {FIRST_HOUR.day} {FIRST_HOUR.month} *"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of Airflow and lake, and of a pipeline on that schedule."""
    text = (PIPELINES_FOLDER / "orders.yaml").read_text()
    every_hour = 'schedule: "0 * * * *"'
    assert every_hour in text
    # As an earlier release made it.
    airflow = tmp_path / "airflow"
    airflow.mkdir(mode=0o755)
    # The files of Dags stay as they are: read once, they need no second look.
    rarely = "[dag_processor]\nmin_file_process_interval = 3600\n"
    (airflow / "airflow.cfg").write_text(rarely)
    pipelines = tmp_path / "pipelines"
    pipelines.mkdir()
    changed = text.replace(every_hour, f'schedule: "{SCHEDULE}"')
    (pipelines / "orders.yaml").write_text(changed)
    return tmp_path


def await_runs(
    api: AirflowApi, run_type: str, *, count: int, seconds: float = 420
) -> list[str]:
    """Return the ids of the runs of a type once there are ``count`` and all ended."""

    def ended() -> list[str] | None:
        runs = [run for run in list_runs(api) if run["run_type"] == run_type]
        states = [run["state"] for run in runs]
        assert "failed" not in states, [
            api.task_states("orders", run["dag_run_id"]) for run in runs
        ]
        if len(runs) < count or set(states) != {"success"}:
            return None
        return [str(run["dag_run_id"]) for run in runs]

    return wait_until(ended, seconds)


def wait_until(look: Callable[[], list[str] | None], seconds: float) -> list[str]:
    """Return what ``look`` finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(2)
    return found


def done_tasks(api: AirflowApi, run_id: str) -> set[str]:
    """Return the tasks of a run that succeeded, which those skipped did not."""
    states = api.task_states("orders", run_id)
    return {task for task, state in states.items() if state == "success"}


def connect_in_private(airflow: LocalAirflow) -> AirflowApi:
    """Return a session, if others can read nothing and no log has the password."""
    logs = [path for path in airflow.logs.rglob("*.log") if path.is_file()]
    assert {"api-server.log", "run.log"} <= {path.name for path in logs}
    password = admin_password(airflow).encode()
    assert [path for path in logs if password in path.read_bytes()] == []
    modes = {airflow.home: 0o700, airflow.database: 0o600, airflow.passwords: 0o600}
    assert {path: path.stat().st_mode & 0o777 for path in modes} == modes
    return connect(airflow)


@pytest.mark.needs_java
@pytest.mark.timeout(900)
@pytest.mark.parametrize("hours", [1, pytest.param(2, marks=pytest.mark.long)])
def test_scheduled_manual_and_backfill_runs_give_the_oracles_tables(checkout, hours):
    """The three ways in which users run the same Dag must not disturb each other."""
    config, backfill_until = checkout.config, BACKFILL_FROM + hours * HOUR
    for _ in range(3):
        land_next_hour(config.landing_location)

    # Unpaused, a Dag without catch-up gets the run of the last whole hour at once.
    assert checkout.airflow.url in checkout.call("up")
    api = connect_in_private(checkout.airflow)
    scheduled = await_runs(api, "scheduled", count=1)
    assert done_tasks(api, scheduled[0]) == ALL_STEPS
    assert bronze_rows(config) == landed_rows(config)
    assert silver_rows(config) == stream_windows(config)

    land_next_hour(config.landing_location)
    manual = api.trigger("orders", {"max_files": 5})
    await_runs(api, "manual", count=1)
    assert done_tasks(api, manual) == ALL_STEPS
    bronze = next(each for each in read_steps(config, manual) if each.step == "bronze")
    assert bronze.counts["batches"] == 3, "12 files, 5 at a time"
    before = silver_rows(config)
    assert before == stream_windows(config)
    some_are_open = any(
        BACKFILL_FROM <= start < backfill_until for start in open_windows(config)
    )
    assert some_are_open == (hours == 2)
    expected = before | backfilled_windows(config, BACKFILL_FROM, backfill_until)
    assert expected != before, "the interval holds rows that came late"

    backfill(api, BACKFILL_FROM, backfill_until - HOUR)
    for run_id in await_runs(api, "backfill", count=hours):
        assert done_tasks(api, run_id) == {"preflight", "backfill", "audit"}
    assert bronze_rows(config) == landed_rows(config)
    assert silver_rows(config) == expected

    group = ProcessGroup.read(checkout.airflow.home)
    assert group is not None
    checkout.call("down")
    assert group.list_pids() == []
    assert "does not run" in checkout.call("down")
