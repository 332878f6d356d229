"""The Dag of a project for ``spark-pipelines``."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from airflow.providers.apache.spark.operators.spark_pipelines import (
    SparkPipelinesOperator,
)
from airflow.sdk import DAG
from airflow.sdk.exceptions import ParamValidationError

from sluice.orchestration.dag import WRITER_POOL
from sluice.orchestration.declarative import CONNECTION, load_project_dags


@pytest.fixture
def shop(tmp_path: Path) -> DAG:
    """Return the Dag of the one project of a folder."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "spark-pipeline.yml").touch()
    (tmp_path / "no-project").mkdir()
    dags = load_project_dags(tmp_path)
    assert list(dags) == ["spark_pipelines_shop"]
    return dags["spark_pipelines_shop"]


def test_task_is_the_providers_operator_on_the_projects_settings(
    shop: DAG, tmp_path: Path
) -> None:
    """Of a connection of this type the operator takes no settings but variables."""
    [task] = shop.tasks
    assert type(task) is SparkPipelinesOperator
    assert task._conn_id == CONNECTION
    assert task.pipeline_spec == str(tmp_path / "shop" / "spark-pipeline.yml")
    assert task.env_vars == {
        "SPARK_CONF_DIR": str(tmp_path / "shop" / "conf"),
        "SPARK_REMOTE": "{{ params.remote }}",
    }


def test_one_run_at_a_time(shop: DAG) -> None:
    """The catalog opens for one process, and local runs of Spark share a port."""
    [task] = shop.tasks
    assert (shop.max_active_runs, task.max_active_tis_per_dag) == (1, 1)
    assert task.pool == WRITER_POOL
    assert task.retries == 2
    assert task.execution_timeout < shop.dagrun_timeout
    assert not shop.catchup


def test_wrong_place_of_spark_is_refused(shop: DAG) -> None:
    """A typo must not become a host that is looked up."""
    shop.params.validate()
    for good in ("local", "local[2]", "sc://spark:15002"):
        params = copy.deepcopy(shop.params)
        params["remote"] = good
    with pytest.raises(ParamValidationError):
        copy.deepcopy(shop.params)["remote"] = "spark://host:7077"


def test_folder_is_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a project there is no Dag; a new folder is a new Dag."""
    monkeypatch.setenv("SLUICE_SPARK_PIPELINES", str(tmp_path))
    assert load_project_dags() == {}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "spark-pipeline.yaml").touch()
    assert list(load_project_dags()) == ["spark_pipelines_other"]


def test_every_folder_has_a_name_that_airflow_takes(tmp_path: Path) -> None:
    """One that it does not take would take every Dag of the file with it."""
    for name in ("a", "größe @ 2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spark-pipeline.yml").touch()
    names = ["spark_pipelines_a", "spark_pipelines_gr__e___2"]
    assert list(load_project_dags(tmp_path)) == names
