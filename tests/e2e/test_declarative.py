"""The Dag of a project for ``spark-pipelines``, run by Airflow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sluice.declarative import Project, write_project
from sluice.local.once import prepare
from support.checkouts import ROOT, Checkout
from support.delta_rows import read_delta

pytestmark = [pytest.mark.needs_java, pytest.mark.long, pytest.mark.timeout(900)]


def run_dag(checkout: Checkout, variables: Mapping[str, str]) -> str:
    """Run the Dag once, as ``airflow dags test`` does, and return what it prints."""
    command = ["dags", "test", "spark_pipelines_shop"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *command, "--conf", '{"remote": "local[2]"}'],
        cwd=ROOT,
        # Spark lets a test have a free port: that of a local server is fixed.
        env={**checkout.airflow.environment(), **variables, "SPARK_TESTING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def ids(project: Project) -> list[str]:
    """Return the orders of the bronze table."""
    table = read_delta(project.folder / "lake/tables/orders")
    return sorted(table["id"].to_pylist())


def test_providers_operator_runs_a_project(checkout: Checkout, home: Path) -> None:
    """A folder with a project is a Dag, and a second run takes in what is new."""
    project = write_project(home / "projects" / "shop")
    variables = {"SLUICE_SPARK_PIPELINES": str(project.folder.parent)}
    prepare(checkout.airflow)
    run_dag(checkout, variables)
    assert ids(project) == ["o1", "o2"]
    landing = project.folder / "landing/orders"
    (landing / "2.json").write_text('{"id": "o3", "product_id": 1, "quantity": 1}')

    printed = run_dag(checkout, variables)

    assert "Run is COMPLETED" in printed
    assert ids(project) == ["o1", "o2", "o3"]
