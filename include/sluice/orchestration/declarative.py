"""Build a Dag from each project for ``spark-pipelines``, by the provider's operator."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_pipelines import (
    SparkPipelinesOperator,
)
from airflow.sdk import DAG, Param

from sluice.orchestration.dag import WRITER_POOL
from sluice.spark.setup.installation import source_folder

CONNECTION = "spark_connect_default"
PROJECTS_FOLDER = source_folder() / "spark_pipelines"

_NO_NAME = re.compile(r"[^\w.-]", re.ASCII)
_START = datetime(2000, 1, 1, tzinfo=UTC)
_TASK_TIMEOUT = timedelta(hours=2)
_RUN_TIMEOUT = timedelta(hours=12)


def load_project_dags(folder: Path | None = None) -> dict[str, DAG]:
    """Return a Dag by name for each project in ``folder``.

    The folder is ``SLUICE_SPARK_PIPELINES``, or else ``include/spark_pipelines``.
    """
    given = os.environ.get("SLUICE_SPARK_PIPELINES")
    projects = folder or (Path(given) if given else PROJECTS_FOLDER)
    found = map(project_dag, sorted(projects.glob("*/spark-pipeline.y*ml")))
    return {dag.dag_id: dag for dag in found}


def project_dag(specification: Path) -> DAG:
    """Build the Dag of a project: each run is one ``spark-pipelines run``.

    One run at a time: the catalog of a project opens for one process, and Spark has
    one port for local runs.
    """
    project = specification.absolute().parent
    dag = DAG(
        # One name that Airflow does not take would take every Dag of the file with it.
        dag_id=f"spark_pipelines_{_NO_NAME.sub('_', project.name)}",
        schedule=None,
        start_date=_START,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_RUN_TIMEOUT,
        params={"remote": _remote()},
        tags={"sluice", "spark-pipelines"},
        default_args={"owner": "sluice", "retries": 2},
        auto_register=False,
    )
    SparkPipelinesOperator(
        dag=dag,
        task_id="run",
        pipeline_spec=str(specification.absolute()),
        conn_id=CONNECTION,
        # The operator takes SPARK_REMOTE before the connection's address, and leaves
        # its own `conf` out for a connection of this type.
        env_vars={
            "SPARK_CONF_DIR": str(project / "conf"),
            "SPARK_REMOTE": "{{ params.remote }}",
        },
        execution_timeout=_TASK_TIMEOUT,
        max_active_tis_per_dag=1,
        pool=WRITER_POOL,
    )
    return dag


def _remote() -> Param:
    return Param(
        "local[*]",
        type="string",
        pattern=r"^(local(\[.+\])?|sc://.+)$",
        title="Where Spark runs",
        description="`local[*]` on this machine, or a Connect server: sc://host:port.",
    )
