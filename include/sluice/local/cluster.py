"""A Spark standalone cluster on this machine: ``make cluster``, ``make cluster-down``.

    python -m sluice.local.cluster up [--workers N] [--port P]
    python -m sluice.local.cluster down

One master and some workers, each a process of its own, as on many machines: what runs
there runs on a real cluster. They listen on the loopback address only, and work for
those alone who can read the secret that they were started with.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from json import JSONDecodeError
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console

from sluice.control.processes import ProcessGroup, starting_group, stop_group
from sluice.errors import Condition, ExitCode, FatalError, SluiceError
from sluice.local.environment import local_airflow
from sluice.local.ports import require_free_port
from sluice.local.private import close_home
from sluice.local.spark_node import node_command
from sluice.spark.authentication import SECRET_FILE
from sluice.spark.session import daemon_environment
from sluice.spark.setup.installation import write_text_atomically

_HOST = "127.0.0.1"
_PORT = 7077
_START_SECONDS = 90.0
_POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Cluster:
    """A master and workers; the master's page has the port after its own."""

    processes: ProcessGroup

    @property
    def port(self) -> int:
        """The port of the master."""
        return self.processes.port

    @property
    def master(self) -> str:
        """The address for a Spark session or ``spark-submit --master``."""
        return f"spark://{_HOST}:{self.port}"

    @property
    def page(self) -> str:
        """The address of the master's page."""
        return f"http://{_HOST}:{self.port + 1}"

    @property
    def secret_file(self) -> Path:
        """The file with the secret that drivers need; its owner alone can read it."""
        return Path(self.processes.folder, "secret")

    @property
    def variables(self) -> dict[str, str]:
        """The environment that makes the pipelines run here."""
        return {
            SECRET_FILE: str(self.secret_file),
            "AIRFLOW_CONN_SPARK_DEFAULT": self.connection,
        }

    @property
    def connection(self) -> str:
        """The Airflow connection that makes the pipelines run here."""
        facts = {"conn_type": "spark", "host": f"spark://{_HOST}", "port": self.port}
        return json.dumps(facts)


def start_cluster(home: Path, *, workers: int = 2, port: int = _PORT) -> Cluster:
    """Start a master and ``workers`` of one core and 1 GB each; wait until they serve.

    What they write goes below ``home``, whose group of processes they are.

    Raises:
        RetryableError: something else listens on ``port`` or the next one.
        FatalError: a process ended, or the workers did not come in time.
    """
    with starting_group(home, port) as group:
        for each in (port, port + 1):
            require_free_port(each, "another: `make cluster SPARK_PORT=7177`")
        cluster = Cluster(group)
        write_text_atomically(cluster.secret_file, secrets.token_hex(32), mode=0o600)
        _start(cluster, "master", _master_command(cluster))
        for number in range(1, workers + 1):
            command = _worker_command(cluster, home / f"worker-{number}")
            _start(cluster, f"worker-{number}", command)
        _await_workers(cluster, workers)
    return cluster


def count_alive_workers(cluster: Cluster) -> int:
    """Return how many workers the master counts; 0 while it does not answer."""
    try:
        with urlopen(f"{cluster.page}/json/", timeout=2) as answer:
            return int(json.load(answer)["aliveworkers"])
    # While its page starts, the server answers with an empty one.
    except (URLError, HTTPException, ConnectionError, TimeoutError, JSONDecodeError):
        return 0


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit code."""
    given = _parser().parse_args(arguments)
    airflow = local_airflow()
    home = airflow.home / "cluster"
    console = Console(soft_wrap=True, highlight=False)
    try:
        close_home(airflow)
        if given.command == "down":
            ended = stop_group(home)
            console.print("The cluster has stopped." if ended else "No cluster runs.")
        else:
            _show(console, _up(home, workers=given.workers, port=given.port))
    except SluiceError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), markup=False)
        return error.exit_code
    return ExitCode.DONE


def _up(home: Path, *, workers: int, port: int) -> Cluster:
    group = ProcessGroup.read(home)
    if group and group.is_running:
        return Cluster(group)
    return start_cluster(home, workers=workers, port=port)


def _show(console: Console, cluster: Cluster) -> None:
    pairs = cluster.variables.items()
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in pairs)
    console.print(f"master    {cluster.master}")
    console.print(f"page      {cluster.page}")
    console.print(f"run       {settings} make run", markup=False)
    console.print("stop      make cluster-down")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sluice.local.cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start the cluster in the background")
    up.add_argument("--workers", type=int, default=2, help="workers of one core each")
    up.add_argument("--port", type=int, default=_PORT, help="the next one is its page")
    commands.add_parser("down", help="stop it")
    return parser


def _master_command(cluster: Cluster) -> list[str]:
    command = node_command("master", cluster.master)
    return [*command, "--webui-port", str(cluster.port + 1)]


def _worker_command(cluster: Cluster, folder: Path) -> list[str]:
    size = ["--cores", "1", "--memory", "1g"]
    places = ["--host", _HOST, "--webui-port", "0", "--work-dir", str(folder)]
    return [*node_command("worker", cluster.master), *places, *size]


def _start(cluster: Cluster, name: str, arguments: Sequence[str]) -> None:
    secret = cluster.secret_file.read_text(encoding="utf-8")
    environ = {**os.environ, **daemon_environment(cluster.master, secret)}
    program = str(Path(environ["SPARK_HOME"], "bin", "spark-class"))
    group = cluster.processes
    group.start(name, [program, *arguments], cwd=Path(group.folder), environ=environ)


def _await_workers(cluster: Cluster, workers: int) -> None:
    group = cluster.processes
    deadline = time.monotonic() + _START_SECONDS
    while count_alive_workers(cluster) < workers:
        ended = group.first_ended()
        if ended:
            raise _not_started_error(f"its {ended} ended", group.log(ended))
        if time.monotonic() > deadline:
            reason = f"its workers did not come within {_START_SECONDS:.0f} s"
            raise _not_started_error(reason, group.log("master"))
        time.sleep(_POLL_SECONDS)


def _not_started_error(reason: str, log: Path) -> FatalError:
    return FatalError(
        Condition.INSTALLATION_BROKEN,
        f"the Spark cluster did not start: {reason}; see {str(log)!r}",
        {"log": str(log)},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
