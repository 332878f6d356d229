"""A cluster works for those who know its secret, and nothing shows the secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from sluice.local.cluster import Cluster
from sluice.spark.authentication import SECRET, SECRET_FILE

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(300)]

PROGRAM = """\
import sys
from sluice.spark.session import spark_session
name, master = sys.argv[1:]
spark = spark_session(name, **{"spark.master": master})
print(spark.range(7).count(), flush=True)
sys.stdin.read()
"""


def test_driver_without_the_secret_gets_no_work_done(cluster: Cluster) -> None:
    """Neither one that has none nor one that has another's."""
    with (
        drive(cluster, "none", **{SECRET_FILE: ""}) as none,
        drive(cluster, "other", **{SECRET: "0" * 64}) as other,
        drive(cluster, "own") as own,
    ):
        found = {each.communicate(timeout=200) for each in (none, other)}
        answer = own.communicate(timeout=200)[0]

    assert answer == "7\n"
    assert {printed for printed, _ in found} == {""}
    assert [bool(each.returncode) for each in (none, other, own)] == [True, True, False]
    assert applications(cluster) & {"none", "other", "own"} == {"own"}


def test_nothing_shows_the_secret(cluster: Cluster, home: Path) -> None:
    """It is in one file and in environments, which their owner alone can read."""
    secret = cluster.secret_file.read_text()
    assert len(secret) == 64
    assert cluster.secret_file.stat().st_mode & 0o777 == 0o600

    with drive(cluster, "shown") as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "7\n"
        lines = command_lines()
        logged = driver.communicate(timeout=60)[1]

    assert any("CoarseGrainedExecutorBackend" in line for line in lines)
    assert any("deploy.master.Master" in line for line in lines)
    assert any("SparkSubmit" in line for line in lines)
    assert [line for line in lines if secret in line] == []
    assert secret not in logged
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
