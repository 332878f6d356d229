"""A real Spark standalone cluster for tests: its processes, and how to lose some."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from sluice.control.processes import ProcessGroup
from sluice.local.cluster import (
    Cluster,
    count_alive_workers,
    start_cluster,
)
from sluice.spark.session import properties_file, submit_environment
from support.killing import wait_until

JOBS = Path(__file__).parents[2] / "jobs"
# Linux gives ports above these to any process that asks: a worker of Spark would take
# the next one before the master does.
_PORTS = range(15_000, 30_000)
_EXECUTOR = "org.apache.spark.executor.CoarseGrainedExecutorBackend"


@contextmanager
def running_cluster(home: Path) -> Iterator[Cluster]:
    """Run a master and two workers while the block runs; nothing is left behind."""
    cluster = start_cluster(home, port=free_ports())
    try:
        yield cluster
    finally:
        cluster.processes.stop()


@contextmanager
def plain_cluster(
    spark_home: Path, variables: Mapping[str, str], folder: Path
) -> Iterator[Cluster]:
    """Run a master and a worker of any Spark while the block runs, as its users do."""
    cluster = Cluster(ProcessGroup(folder=str(folder), port=free_ports()))
    place = ["--host", "127.0.0.1", "--webui-port"]
    address = ["--port", str(cluster.port)]
    work = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / "work")]
    nodes = {
        "master.Master": [*place, str(cluster.port + 1), *address],
        "worker.Worker": [*place, "0", *work, cluster.master],
    }
    program = str(spark_home / "bin" / "spark-class")
    try:
        for name, arguments in nodes.items():
            command = [program, f"org.apache.spark.deploy.{name}", *arguments]
            cluster.processes.start(name, command, cwd=folder, environ=variables)
        wait_until(lambda: count_alive_workers(cluster) == 1, seconds=90, pause=0.25)
        yield cluster
    finally:
        cluster.processes.stop()


def free_port() -> int:
    """Return a port on which nothing listens now."""
    return _free_ports(1)


def free_ports() -> int:
    """Return a port that is free and whose next one is free too."""
    return _free_ports(2)


def _free_ports(count: int) -> int:
    while True:
        first = secrets.choice(_PORTS)
        with ExitStack() as probes:
            try:
                for port in range(first, first + count):
                    probe = probes.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return first


def submit(
    cluster: Cluster, log: Path, job: str, *arguments: str, **conf: str
) -> subprocess.Popen[bytes]:
    """Submit a job to the cluster as Airflow does, in a session of its own."""
    environment = os.environ | submit_environment(cluster.master) | cluster.variables
    settings = [text for each in conf.items() for text in ("--conf", "=".join(each))]
    command = [
        f"{environment['SPARK_HOME']}/bin/spark-submit",
        *("--master", cluster.master, "--properties-file", str(properties_file())),
        *settings,
        str(JOBS / job),
        *arguments,
    ]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=environment,
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def executors(cluster: Cluster) -> dict[int, str]:
    """Return the executors that run, with the name of the worker of each."""
    workers = {pid: name for name, pid in cluster.processes.pids.items()}
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        if _EXECUTOR not in (process.info["cmdline"] or ()):
            continue
        try:
            parents = [each.pid for each in process.parents()]
        except psutil.NoSuchProcess:
            continue
        name = next((workers[pid] for pid in parents if pid in workers), None)
        if name is not None:
            found[process.pid] = name
    return found


def kill(*pids: int) -> None:
    """Kill processes at once."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def interpreter_without_packages(folder: Path) -> Path:
    """Make a Python that has nothing installed, and return it."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True
    )
    return folder / "bin" / "python"
