"""The containers of `docker-compose.yml` on an engine: what they write, reach, know."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

import compose_env
from support.compose_build import NoComposeError, built_compose
from support.containers import Containers, NoEngineError, running_containers
from support.dag_runs import await_that, run_resting_dag
from support.s3_server import free_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

SECRETS = {name: make() for name, make in compose_env.SECRETS.items()}
PORT = free_port()
SMALL = {
    "SLUICE_PORT": str(PORT),
    "SLUICE_WORKER_CORES": "1",
    "SLUICE_WORKER_MEMORY": "1g",
}
ENDS = "airflow-init"
OURS = (
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "spark-master",
    "spark-worker",
)
SERVICES = ("postgres", *OURS)
WITH_LAKE = {"scheduler", "spark-worker"}
# What a service listens on, and who may reach it.
PORTS = {
    "postgres": (5432, {"api-server", "scheduler", "dag-processor", "triggerer"}),
    "api-server": (8080, {"scheduler", "dag-processor", "triggerer"}),
    "spark-master": (7077, {"scheduler", "spark-worker"}),
}
REACH = (
    "import socket, sys\n"
    "socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)"
)
NO_CAPABILITIES = "CapEff:\t0000000000000000"
DRIVER = (
    "from sluice.spark.session import spark_session\n"
    "spark = spark_session('x', **{'spark.master': 'spark://spark-master:7077'})\n"
    "print(spark.range(7).count())"
)


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Return the containers, each of them healthy."""
    folder = tmp_path_factory.mktemp("compose")
    try:
        compose = built_compose(folder)
        with running_containers(compose, folder, SECRETS | SMALL) as containers:
            healthy = {ENDS: "0"} | dict.fromkeys(SERVICES, "healthy")
            await_that(lambda: containers.states() == healthy, 900)
            yield containers
    except (NoComposeError, NoEngineError) as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_do_little_to_its_container(
    containers: Containers, service: str
) -> None:
    """No root, no capability, no new privilege, no program that it can change."""
    assert int(containers.run(service, "id", "-u").stdout) != 0
    status = containers.run(service, "cat", "/proc/1/status").stdout
    assert NO_CAPABILITIES in status
    assert "NoNewPrivs:\t1" in status
    for folder in ("/usr/bin", "/opt", "/etc"):
        written = containers.run(service, "touch", f"{folder}/theirs")
        assert written.returncode, folder
    assert containers.run(service, "touch", "/tmp/theirs").returncode == 0
    host = containers.inspected(service)["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert 0 < host["Memory"] <= 6 << 30
    assert 0 < host["PidsLimit"] <= 4096


def test_a_service_reaches_whom_it_needs(containers: Containers) -> None:
    """Workers, where the code of pipelines runs, find neither database nor pages."""
    for target, (port, allowed) in PORTS.items():
        reached = {
            service
            for service in OURS
            if service != target
            and not containers.run(
                service, "python", "-c", REACH, target, str(port)
            ).returncode
        }
        assert reached == allowed, target


def test_the_lake_is_where_it_is_needed(containers: Containers) -> None:
    """Who drives Spark and who works for it: no other."""
    having = {
        service
        for service in SERVICES
        if any(
            mount["Destination"].startswith("/lake")
            for mount in containers.inspected(service)["Mounts"]
        )
    }
    assert having == WITH_LAKE


def test_secrets_are_in_no_command_line(containers: Containers) -> None:
    """They are in environments, which the user of a process alone can read."""
    for service in OURS:
        lines = containers.run(service, "sh", "-c", "cat /proc/[0-9]*/cmdline").stdout
        assert "/sbin/docker-init" in lines, service
        shown = {name for name, value in SECRETS.items() if value in lines}
        assert shown == set(), service


def test_a_driver_without_the_secret_is_refused(containers: Containers) -> None:
    """To be in the network of Spark is not enough."""
    bare = ("env", "--unset=SLUICE_SPARK_SECRET", "python", "-c", DRIVER)
    refused = containers.run("scheduler", *bare)
    assert refused.returncode
    assert refused.stdout == ""
    assert containers.run("scheduler", "python", "-c", DRIVER).stdout == "7\n"


def test_an_hour_goes_through(containers: Containers) -> None:
    """Sample, Dag and audit, by the commands of docs/deployment.md."""
    landed = containers.run("scheduler", "sluice", "sample")
    assert landed.returncode == 0, landed.stderr
    run_resting_dag(PORT, SECRETS["SLUICE_ADMIN_PASSWORD"])
    audited = containers.run("scheduler", "sluice", "audit", "orders", "--json")
    assert json.loads(audited.stdout)["verdict"] == "ok", audited.stderr
    assert set(containers.states().values()) == {"0", "healthy"}
