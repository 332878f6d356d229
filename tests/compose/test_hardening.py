"""What a container of `docker-compose.yml` may write, use and reach.

Each rule holds for the file as it is read here, and for what Docker Compose itself
makes of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import compose_env
from support import compose_file
from support.compose_build import NoComposeError, built_compose, rendered

# Docker Compose is built first.
pytestmark = pytest.mark.timeout(1800)

SECRETS = {name: make() for name, make in compose_env.SECRETS.items()}
SERVICES = compose_file.services(SECRETS)
LAKE_USERS = {"airflow-init", "scheduler", "spark-worker"}
RUN_JAVA = {"scheduler", "spark-master", "spark-worker"}
Content = Mapping[str, Any]


@pytest.fixture(
    scope="module",
    params=["read here", pytest.param("rendered", marks=pytest.mark.long)],
)
def content(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Content:
    """Return the whole file, as it is read here or as Docker Compose renders it."""
    if request.param == "read here":
        return {**compose_file.parsed(), "services": SERVICES}
    folder = tmp_path_factory.mktemp("compose")
    try:
        return rendered(built_compose(folder), folder, SECRETS)
    except NoComposeError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def test_roots_cannot_be_written(content: Content) -> None:
    """Who breaks into a service cannot change a program; what it writes is bounded."""
    for name, service in content["services"].items():
        assert service["read_only"] is True, name
        tmp, *others = service["tmpfs"]
        assert tmp.startswith("/tmp:"), name
        assert all("size=" in each for each in (tmp, *others)), name
        assert ("exec" in tmp) == (name in RUN_JAVA), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_memory_and_processes_have_limits(content: Content) -> None:
    """A service that grows ends alone, and a machine is not full of processes."""
    for name, service in content["services"].items():
        assert bytes_of(service["mem_limit"]) >= bytes_of("512m"), name
        assert 256 <= service["pids_limit"] <= 4096, name
    worker = content["services"]["spark-worker"]
    executors = bytes_of(worker["environment"]["SPARK_WORKER_MEMORY"])
    cores = int(worker["environment"]["SPARK_WORKER_CORES"])
    # 512 MB beside the JVM for each core, and as much for the worker itself.
    needed = executors + (cores + 1) * bytes_of("512m")
    assert bytes_of(worker["mem_limit"]) >= needed


def test_networks_are_split(content: Content) -> None:
    """Neither the database nor the pages are on the network of Spark's workers."""
    services = content["services"]
    found = {name: set(services[name]["networks"]) for name in services}
    airflow = {"airflow-init", "dag-processor", "postgres", "triggerer"}
    assert found == {
        "api-server": {"front", "airflow"},
        "scheduler": {"airflow", "spark"},
        **{name: {"airflow"} for name in airflow},
        **{name: {"spark"} for name in ("spark-master", "spark-worker")},
    }
    networks = content["networks"]
    assert [n for n in networks if (networks[n] or {}).get("internal")] == ["airflow"]
    published = {name for name in services if services[name].get("ports")}
    assert published == {"api-server"}
    (alias,) = services["scheduler"]["networks"]["spark"]["aliases"]
    assert services["scheduler"]["environment"]["SPARK_LOCAL_HOSTNAME"] == alias


def test_the_lake_is_where_it_is_needed(content: Content) -> None:
    """The API server shows what Airflow knows; nothing it does reads the lake."""
    services = content["services"]
    having = {name for name in services if any(map(is_lake, targets(services[name])))}
    assert having == LAKE_USERS
    for name in services.keys() - LAKE_USERS:
        assert set(targets(services[name])) <= {
            "/opt/airflow",
            "/opt/sluice/include/pipelines",
            "/var/lib/postgresql/data",
        }, name


def test_secrets_are_where_they_are_needed(content: Content) -> None:
    """Spark's services know no secret of Airflow, Airflow's one service Spark's."""
    services = content["services"]
    known = {
        name: {
            secret
            for secret, value in SECRETS.items()
            if any(value in each for each in services[name]["environment"].values())
        }
        for name in services
    }
    airflow = SECRETS.keys() - {"SLUICE_ADMIN_PASSWORD", "SLUICE_SPARK_SECRET"}
    assert known == {
        "postgres": {"SLUICE_POSTGRES_PASSWORD"},
        "airflow-init": airflow | {"SLUICE_ADMIN_PASSWORD"},
        "scheduler": airflow | {"SLUICE_SPARK_SECRET"},
        **dict.fromkeys(("api-server", "dag-processor", "triggerer"), airflow),
        **{n: {"SLUICE_SPARK_SECRET"} for n in ("spark-master", "spark-worker")},
    }


def test_a_new_dag_rests(content: Content) -> None:
    """A pipeline file that is put there runs when it is switched on, not before."""
    name = "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"
    for service in content["services"].values():
        assert service["environment"].get(name, "True") == "True"


def targets(service: Mapping[str, Any]) -> list[str]:
    """Return where a service has its volumes and folders of the host."""
    return [
        each["target"] if isinstance(each, dict) else str(Path(target_of(each)))
        for each in service.get("volumes", [])
    ]


def target_of(volume: str) -> str:
    """Return the folder in the container of a volume in short form."""
    parts = volume.split(":")
    return parts[0] if len(parts) == 1 else parts[1]


def is_lake(target: str) -> bool:
    """Return True if a folder is the lake, or in it."""
    return Path(target).is_relative_to("/lake")


def bytes_of(text: str) -> int:
    """Return a size of the file in bytes."""
    units = {"m": 2**20, "g": 2**30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def test_sizes_are_read_as_compose_reads_them() -> None:
    """Both ways in which the rendered and the written file say them."""
    sizes = json.loads('["512m", "1g", "536870912"]')
    assert [bytes_of(each) for each in sizes] == [2**29, 2**30, 2**29]
