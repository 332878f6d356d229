"""How the processes of a Spark cluster are started in containers."""

from __future__ import annotations

import os

import pytest

from sluice.errors import ExitCode, UsageError
from sluice.local import spark_node
from sluice.local.spark_node import main, node_command

MASTER = "spark://spark-master:7077"


def test_master_and_worker_meet_at_one_address():
    """The master listens where its workers look for it."""
    role, *address = node_command("master", MASTER)
    assert role.endswith(".Master")
    assert address == ["--host", "spark-master", "--port", "7077"]
    role, *address = node_command("worker", MASTER)
    assert role.endswith(".Worker")
    assert address == [MASTER]


@pytest.mark.parametrize(
    "master", ["local[2]", "spark-master:7077", "spark://spark-master", "spark://h:x"]
)
def test_an_address_that_is_none_is_refused(master, capsys):
    """Spark would listen on another port than the workers ask at."""
    with pytest.raises(UsageError, match="spark://HOST:7077"):
        node_command("worker", master)
    assert main(["master", master]) == ExitCode.USAGE
    assert repr(master) in capsys.readouterr().err


def test_a_node_has_what_the_driver_has(monkeypatch):
    """Another Java or Python on the workers is what one image is to prevent."""
    calls = []
    monkeypatch.setattr(
        spark_node.os, "execve", lambda *arguments: calls.append(arguments)
    )
    monkeypatch.setenv("SPARK_WORKER_CORES", "3")
    monkeypatch.setenv("SLUICE_SPARK_SECRET", "known")
    monkeypatch.delenv("SPARK_LOCAL_IP", raising=False)
    main(["worker", MASTER])
    ((program, command, environment),) = calls
    assert command == [str(program), *node_command("worker", MASTER)]
    assert os.access(program, os.X_OK)
    assert environment["SPARK_WORKER_CORES"] == "3"
    assert environment.items() >= spark_node.daemon_environment(MASTER, "known").items()
    assert "SPARK_LOCAL_IP" not in environment, "other containers must reach it"


def test_a_node_without_a_secret_is_refused(monkeypatch, capsys):
    """Any container of the network could submit to it."""
    monkeypatch.delenv("SLUICE_SPARK_SECRET", raising=False)
    monkeypatch.delenv("SLUICE_SPARK_SECRET_FILE", raising=False)
    assert main(["master", MASTER]) == ExitCode.USAGE
    assert "SLUICE_SPARK_SECRET: expected" in capsys.readouterr().err
