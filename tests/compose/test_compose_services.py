"""The services of `docker-compose.yml` together: commands, checks and a Dag run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest

import compose_env
from sluice.config import PipelineConfig, load_pipeline
from support import compose_file
from support.compose_services import Machine, Service, left_over, nothing_left
from support.dag_runs import run_resting_dag
from support.postgres_server import (
    PostgresMissingError,
    installed_programs,
    running_postgres,
)
from support.s3_server import free_port
from support.tables import bronze_rows, landed_rows, silver_rows, stream_windows

pytestmark = [pytest.mark.long, pytest.mark.needs_java, pytest.mark.timeout(1200)]

SECRETS = {name: make() for name, make in compose_env.SECRETS.items()}
SMALL = {"SLUICE_WORKER_CORES": "1", "SLUICE_WORKER_MEMORY": "1g"}
WORKERS = 2
PORTS = ("postgres", "api-server", "scheduler", "spark-master", "spark-master-page")


@pytest.fixture
def programs() -> Path:
    """Return Postgres's programs; skip the test where they cannot be installed."""
    try:
        return installed_programs()
    except PostgresMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return free ports and empty folders; no process of theirs outlives the test."""
    machine = Machine(tmp_path, {name: free_port() for name in PORTS})
    for volume in ("airflow", "lake", "spark"):
        (tmp_path / volume).mkdir()
    with nothing_left(machine):
        yield machine


def services(machine: Machine) -> dict[str, Service]:
    """Return every service, a scaled one as several."""
    found = {
        name: Service(name, facts, machine)
        for name, facts in compose_file.services(SECRETS | SMALL).items()
    }
    facts = found.pop("spark-worker").facts
    for number in range(1, WORKERS + 1):
        own = {
            "SPARK_WORKER_WEBUI_PORT": str(free_port()),
            "SPARK_WORKER_DIR": str(machine.folder / f"worker-{number}"),
        }
        found[f"spark-worker-{number}"] = Service(
            "spark-worker", facts, machine, own, number
        )
    return found


def test_services_come_up_healthy_and_run_the_dag(programs, machine, monkeypatch):
    """`docker compose up`, a sample hour, a trigger: each row is counted once."""
    found = services(machine)
    postgres, init = found.pop("postgres"), found.pop("airflow-init")
    given = postgres.environment
    with running_postgres(
        programs,
        machine.ports["postgres"],
        user=given["POSTGRES_USER"],
        password=given["POSTGRES_PASSWORD"],
        database=given["POSTGRES_DB"],
    ):
        postgres.await_health()
        for _ in range(2):  # `docker compose up` of an existing database, too
            init.start()
            assert init.await_end() == 0, init.tail()
        assert not any(service.is_healthy() for service in found.values())
        for name in started_in_order(found):
            found[name].start()
        for service in found.values():
            service.await_health()

        found["scheduler"].run("sluice", "sample")
        run_resting_dag(machine.ports["api-server"], SECRETS["SLUICE_ADMIN_PASSWORD"])
        assert applications(machine) == {
            "orders_bronze",
            "orders_orders_windowed_aggregates",
        }
        monkeypatch.setenv("SLUICE_LAKE", str(machine.folder / "lake"))
        require_every_row_once(load_pipeline("orders"))

        assert [name for name in found if not found[name].is_healthy()] == []
        for name in reversed(started_in_order(found)):
            found[name].stop()
            assert not found[name].is_healthy(), name
        assert left_over(machine) == []
    assert not postgres.is_healthy()


def started_in_order(found: dict[str, Service]) -> list[str]:
    """Return the services, Spark first: Airflow's depend on it."""
    return sorted(found, key=lambda name: (not name.startswith("spark"), name))


def require_every_row_once(config: PipelineConfig) -> None:
    """Compare landing folder and tables, read without Spark."""
    assert sum(landed_rows(config).values()) == 1_200
    assert bronze_rows(config) == landed_rows(config)
    assert silver_rows(config) == stream_windows(config) != {}


def applications(machine: Machine) -> set[str]:
    """Return the names of what ran on the cluster, as its master lists them."""
    url = f"http://127.0.0.1:{machine.ports['spark-master-page']}/json/"
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        return {each["name"] for each in json.load(answer)["completedapps"]}
