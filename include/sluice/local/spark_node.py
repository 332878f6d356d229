"""The master or a worker of a Spark cluster, in the place of this process.

    python -m sluice.local.spark_node master spark://HOST:PORT
    python -m sluice.local.spark_node worker spark://HOST:PORT

It runs with the Java, the jars and the Python of this installation, as ``make cluster``
does, and works for those alone who know the secret in ``SLUICE_SPARK_SECRET``. The rest
is given by Spark's own variables: ``SPARK_MASTER_WEBUI_PORT``, ``SPARK_WORKER_CORES``,
``SPARK_WORKER_MEMORY``, ``SPARK_WORKER_DIR`` …
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from sluice.errors import Condition, SluiceError, UsageError
from sluice.spark.authentication import SECRET, given_secret
from sluice.spark.session import daemon_environment

_MASTER_URL = re.compile(r"spark://(?P<host>[^:/,]+):(?P<port>\d+)")
_MASTER_CLASS = "org.apache.spark.deploy.master.Master"
_WORKER_CLASS = "org.apache.spark.deploy.worker.Worker"


def node_command(role: str, master: str) -> list[str]:
    """Return what ``spark-class`` is called with; ``master`` is the master's URL.

    Raises:
        UsageError: the URL is not one of a standalone cluster, or has no port.
    """
    address = _MASTER_URL.fullmatch(master)
    if address is None:
        raise UsageError(
            Condition.USAGE,
            f"Spark master {master!r}: expected a URL such as 'spark://HOST:7077'",
            {"master": master},
        )
    if role == "worker":
        return [_WORKER_CLASS, master]
    return [_MASTER_CLASS, "--host", address["host"], "--port", address["port"]]


def main(arguments: Sequence[str]) -> int:
    """Become the process of the cluster that is named; return only on an error."""
    given = _parser().parse_args(arguments)
    try:
        _become(node_command(given.role, given.master), given.master)
    except SluiceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _become(command: Sequence[str], master: str) -> NoReturn:
    secret = given_secret(os.environ)
    if secret is None:
        raise UsageError(
            Condition.USAGE,
            f"{SECRET}: expected the cluster's secret, got none: anyone could submit "
            "work to it; `make compose-env` writes one",
            {"variable": SECRET},
        )
    environment = {**os.environ, **daemon_environment(master, secret)}
    program = Path(environment["SPARK_HOME"], "bin", "spark-class")
    os.execve(program, [str(program), *command], environment)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sluice.local.spark_node")
    parser.add_argument("role", choices=("master", "worker"))
    parser.add_argument("master", help="the master's URL: spark://HOST:PORT")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
