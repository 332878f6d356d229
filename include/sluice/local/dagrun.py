"""Run one Dag once inside this process, as ``airflow dags test`` does, and report how.

Started by :mod:`sluice.local.airflow` with the environment of the local Airflow.
Airflow writes its log to stdout; what matters goes as JSON lines to another pipe.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TextIO

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.listeners import hookimpl
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG
from airflow.sdk.listener import get_listener_manager
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import select

from sluice.errors import Condition, UsageError
from sluice.local.environment import LocalAirflow, local_airflow, stamp_text
from sluice.orchestration.database import prepare_database


class Reporter:
    """Writes what happens to the tasks of a run, one JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def report(self, **fields: object) -> None:
        """Write one line."""
        self._stream.write(json.dumps(fields) + "\n")
        self._stream.flush()

    @hookimpl
    def on_task_instance_running(self, task_instance: TaskInstance) -> None:
        """Called by Airflow."""
        self.report(task=task_instance.task_id, state="running")

    @hookimpl
    def on_task_instance_success(self, task_instance: TaskInstance) -> None:
        """Called by Airflow."""
        self.report(task=task_instance.task_id, state="success")

    @hookimpl
    def on_task_instance_skipped(self, task_instance: TaskInstance) -> None:
        """Called by Airflow."""
        self.report(task=task_instance.task_id, state="skipped")

    @hookimpl
    def on_task_instance_failed(
        self, task_instance: TaskInstance, error: BaseException | str | None
    ) -> None:
        """Called by Airflow, also before a retry."""
        self.report(task=task_instance.task_id, state="failed", error=str(error))


def prepare(airflow: LocalAirflow) -> None:
    """Make the database ready; fail the runs that a killed process left running."""
    if not airflow.is_prepared():
        prepare_database()
        airflow.stamp.write_text(stamp_text(), encoding="utf-8")
    fail_abandoned_runs()


def fail_abandoned_runs() -> None:
    """Mark runs of this module that never ended as failed.

    Otherwise a scheduler started later would take them up. The caller holds the lock
    under which such runs run, so none of them is alive.
    """
    with create_session() as session:
        abandoned = select(DagRun).where(
            DagRun.state == DagRunState.RUNNING,
            DagRun.triggered_by == DagRunTriggeredByType.TEST,
        )
        for run in session.scalars(abandoned):
            run.set_state(DagRunState.FAILED)


def find_dag(airflow: LocalAirflow, dag_id: str) -> DAG:
    """Return the Dag as Airflow itself finds it in ``dags/``."""
    folder = airflow.root / "dags"
    bag = BundleDagBag(
        dag_folder=folder / "pipelines.py",
        bundle_path=folder,
        bundle_name="dags-folder",
    )
    if dag_id not in bag.dags:
        known = sorted(bag.dags)
        raise UsageError(
            Condition.CONFIG_NOT_FOUND,
            f"Airflow has no Dag {dag_id!r}, only {known}: its pipeline file is wrong, "
            "or not in include/pipelines (SLUICE_PIPELINES)",
            {"known": known},
        )
    return bag.dags[dag_id]


def run_dag(dag: DAG, reporter: Reporter, params: dict[str, object]) -> bool:
    """Run ``dag`` once to its end; report each step, and return if all went well."""
    get_listener_manager().add_listener(reporter)  # type: ignore[no-untyped-call]
    run = dag.test(run_conf=params)
    with create_session() as session:
        tasks = {
            each.task_id: each.state for each in run.get_task_instances(session=session)
        }
    reporter.report(run_id=run.run_id, state=run.state, tasks=tasks)
    return bool(run.state == DagRunState.SUCCESS)


def main(arguments: Sequence[str]) -> int:
    """Prepare Airflow and, unless that is all, run the Dag that is named."""
    parser = argparse.ArgumentParser(prog="sluice.local.dagrun")
    parser.add_argument("dag_id", nargs="?")
    parser.add_argument("--events", type=int, default=2)
    parser.add_argument("--params", type=json.loads, default={})
    parser.add_argument("--wait", action="store_true", help="for a line on stdin")
    given = parser.parse_args(arguments)
    airflow = local_airflow()
    with os.fdopen(given.events, "w", encoding="utf-8") as stream:
        reporter = Reporter(stream)
        reporter.report(stage="database" if not airflow.is_prepared() else "start")
        prepare(airflow)
        if given.dag_id is None:
            return 0
        dag = find_dag(airflow, given.dag_id)
        # An end of the input without a line: there is nothing to run after all.
        if given.wait and not sys.stdin.readline():
            return 0
        return 0 if run_dag(dag, reporter, given.params) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
