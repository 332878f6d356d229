"""What every Dag promises, and what a wrong pipeline file does to the others."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, CronDataIntervalTimetable
from airflow.sdk.exceptions import ParamValidationError

from sluice.config.load import PIPELINES_FOLDER
from sluice.errors import UsageError
from sluice.orchestration.dag import JOBS_FOLDER, WRITER_POOL, pipeline_dag
from sluice.orchestration.operator import SluiceSubmitOperator

DAGS_FOLDER = PIPELINES_FOLDER.parents[1] / "dags"


def load() -> DagBag:
    """Read the Dags as Airflow does."""
    return DagBag(DAGS_FOLDER)


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """Return the Dags of this checkout."""
    return load()


@pytest.fixture(scope="module")
def orders(bag: DagBag) -> DAG:
    """Return the Dag of the sample pipeline."""
    return bag.dags["orders"]


def copy_orders(folder: Path, name: str, **replacements: str) -> None:
    """Copy the sample pipeline under another name, as a user does, and edit it."""
    text = (PIPELINES_FOLDER / "orders.yaml").read_text()
    for old, new in {"name: orders ": f"name: {name} ", **replacements}.items():
        assert old in text
        text = text.replace(old, new, 1)
    (folder / f"{name}.yaml").write_text(text)


def test_exactly_the_expected_dags_exist(bag):
    """A Dag that appears or is lost by accident is noticed here first."""
    assert set(bag.dags) == {"orders"}


def test_no_file_has_import_errors(bag):
    """Airflow stops every Dag of a file with an import error."""
    assert bag.import_errors == {}


def test_each_step_runs_its_own_job_through_spark_submit(orders):
    """The Dag promises real submits of the files in jobs/, in this order."""
    submits = [task for task in orders.tasks if isinstance(task, SluiceSubmitOperator)]
    assert {task.task_id: task.application for task in submits} == {
        step: str(JOBS_FOLDER / f"{step}.py")
        for step in ("bronze", "silver", "backfill", "audit")
    }
    assert all(Path(task.application).is_file() for task in submits)
    assert {task.task_id: set(task.upstream_task_ids) for task in orders.tasks} == {
        "preflight": set(),
        "bronze": {"preflight"},
        "silver": {"preflight", "bronze"},
        "backfill": {"preflight"},
        "audit": {"bronze", "silver", "backfill"},
    }


def test_runs_never_catch_up_nor_overlap(bag):
    """Files are taken in by arrival: the hours that were missed need no runs."""
    for dag in bag.dags.values():
        assert not dag.catchup
        assert dag.max_active_runs == 1
        assert dag.dagrun_timeout is not None


def test_every_task_retries_has_a_timeout_and_runs_once_at_a_time(bag):
    """Backfill runs do not count towards max_active_runs, so tasks limit themselves."""
    for task in (task for dag in bag.dags.values() for task in dag.tasks):
        assert task.retries == 2, task.task_id
        assert task.execution_timeout is not None
        assert task.execution_timeout < task.dag.dagrun_timeout
        assert task.max_active_tis_per_dag == 1


def test_all_that_write_share_the_pool_of_one_slot(bag):
    """Scheduled, manual and backfill runs must not write side by side."""
    for task in (task for dag in bag.dags.values() for task in dag.tasks):
        expected = "default_pool" if task.task_id == "preflight" else WRITER_POOL
        assert task.pool == expected


def test_schedule_has_data_intervals_in_utc(orders):
    """With Airflow's default for cron a backfill's interval would be empty."""
    assert isinstance(orders.timetable, CronDataIntervalTimetable)
    assert orders.timetable.expression == "0 * * * *"
    assert str(orders.timetable.timezone) == "UTC"


@pytest.mark.parametrize(
    ("param", "value"),
    [("trigger", "continuous"), ("max_files", 0), ("backfill_from", 5)],
)
def test_wrong_params_of_a_manual_run_are_refused(orders, param, value):
    """A typo in the form must not silently run with defaults."""
    orders.params.validate()
    params = copy.deepcopy(orders.params)
    with pytest.raises(ParamValidationError):
        params[param] = value


def test_a_new_file_is_a_new_dag_and_null_means_no_schedule(tmp_path, monkeypatch):
    """A user copies one file and edits nothing else."""
    copy_orders(tmp_path, "mine", **{'schedule: "0 * * * *"': "schedule: null"})
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path))
    bag = load()
    assert set(bag.dags) == {"mine"}
    assert not bag.dags["mine"].timetable.can_be_scheduled


def test_a_name_that_airflow_would_render_is_refused(tmp_path):
    """A connection's secret would stand in the command of a task."""
    path = tmp_path / "{{ conn.spark_default.host }}.yaml"
    path.write_text((PIPELINES_FOLDER / "orders.yaml").read_text())

    with pytest.raises(UsageError, match="Airflow takes for a template"):
        pipeline_dag(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("schedule:", "shedule:", "did you mean 'schedule'"),
        ('"0 * * * *"', '"every hour"', "expected a cron expression"),
        ('"0 * * * *"', '"0 0 30 2 *"', "which never fires"),
        ('"0 * * * *"', '"R * * * *"', "at random times"),
        ("name: wrong ", "name: orders ", "another pipeline file"),
    ],
)
def test_a_wrong_file_leaves_the_other_dags_alone(
    tmp_path, monkeypatch, old, new, reason
):
    """The error is an import error of a file that has no Dag which it could stop."""
    copy_orders(tmp_path, "orders")
    copy_orders(tmp_path, "wrong", **{old: new})
    monkeypatch.setenv("SLUICE_PIPELINES", str(tmp_path))
    bag = load()
    assert set(bag.dags) == {"orders"}
    assert [Path(path).name for path in bag.import_errors] == ["wrong_pipelines.py"]
    [error] = bag.import_errors.values()
    assert "wrong.yaml" in error
    assert reason in error


def test_parsing_imports_no_spark_and_is_fast():
    """Airflow parses the files again and again, beside everything else."""
    program = (
        "import sys, time; import airflow.sdk, sluice.orchestration.operator;"
        "started = time.monotonic();"
        f"sys.path.insert(0, {str(DAGS_FOLDER)!r}); import pipelines;"
        "print(time.monotonic() - started, 'orders' in vars(pipelines));"
        "print([name for name in sys.modules if name.split('.')[0] == 'pyspark'])"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    timing, modules = done.stdout.splitlines()[-2:]
    assert modules == "[]"
    assert timing.endswith("True")
    assert float(timing.split()[0]) < 2.0, time.monotonic() - began
