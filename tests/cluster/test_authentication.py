"""A cluster works for those who know its secret, and nothing shows the secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from sluice.local.cluster import Cluster
from sluice.spark.authentication import SECRET, SECRET_FILE
from support.killing import wait_until

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(300)]

PROGRAM = """\
import sys
from sluice.spark.session import spark_session
name, master = sys.argv[1:]
spark = spark_session(name, **{"spark.master": master})
print(spark.range(7).count(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def driver(cluster: Cluster) -> Iterator[subprocess.Popen[str]]:
    """Return a driver with the cluster's secret, which has had its work done."""
    with drive(cluster, "own") as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "7\n"
        yield started
        logged = started.communicate(timeout=200)[1]
    assert cluster.secret_file.read_text() not in logged


def test_driver_without_a_secret_gets_no_work_done(
    cluster: Cluster, driver: subprocess.Popen[str]
) -> None:
    """The master shows it the door. It would knock for a minute, and then give up."""
    before = refusals(cluster)
    with drive(cluster, "stranger", **{SECRET_FILE: ""}) as stranger:
        wait_until(lambda: refusals(cluster) > before, pause=0.05)
        stranger.kill()
        answer, _ = stranger.communicate(timeout=60)

    assert answer == ""
    assert driver.poll() is None
    assert applications(cluster) == {"own"}


def test_driver_with_the_secret_of_another_gets_no_work_done(
    cluster: Cluster, driver: subprocess.Popen[str]
) -> None:
    """It is shown the door, too; what it then says of it is not always the same."""
    before = refusals(cluster)
    with drive(cluster, "stranger", **{SECRET: "0" * 64}) as stranger:
        wait_until(lambda: refusals(cluster) > before, pause=0.05)
        stranger.kill()
        answer, _ = stranger.communicate(timeout=60)

    assert answer == ""
    assert driver.poll() is None
    assert applications(cluster) == {"own"}


def refusals(cluster: Cluster) -> int:
    """Return how many connections the master has ended."""
    return cluster.processes.log("master").read_text().count("got disassociated")


def test_nothing_shows_the_secret(
    cluster: Cluster, home: Path, driver: subprocess.Popen[str]
) -> None:
    """It is in one file and in environments, which their owner alone can read."""
    secret = cluster.secret_file.read_text()
    assert len(secret) == 64
    assert cluster.secret_file.stat().st_mode & 0o777 == 0o600
    assert driver.poll() is None

    lines = command_lines()

    assert any("CoarseGrainedExecutorBackend" in line for line in lines)
    assert any("deploy.master.Master" in line for line in lines)
    assert any("SparkSubmit" in line for line in lines)
    assert [line for line in lines if secret in line] == []
    holding = [path for path in home.rglob("*") if holds(path, secret.encode())]
    assert holding == [cluster.secret_file]
    for page in (cluster.page, f"{cluster.page}/environment/"):
        with urlopen(page, timeout=10) as answer:
            assert secret not in answer.read().decode()


def drive(cluster: Cluster, name: str, **variables: str) -> subprocess.Popen[str]:
    """Start a driver that counts some rows; its environment has the cluster's secret.

    It runs until its input ends.
    """
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, name, cluster.master],
        env={**os.environ, **cluster.variables, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def applications(cluster: Cluster) -> set[str]:
    """Return the names of all that the master has ever taken."""
    with urlopen(f"{cluster.page}/json/", timeout=10) as answer:
        found = json.load(answer)
    return {each["name"] for each in (*found["activeapps"], *found["completedapps"])}


def command_lines() -> list[str]:
    """Return the command line of every process of this machine."""
    found = psutil.process_iter(["cmdline"])
    return [" ".join(each.info["cmdline"] or ()) for each in found]


def holds(path: Path, text: bytes) -> bool:
    """Return True if ``path`` is a file with ``text`` in it."""
    return path.is_file() and text in path.read_bytes()
