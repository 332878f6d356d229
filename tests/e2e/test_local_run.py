"""`make run` on a fresh checkout, then with a cluster's connection, in any order."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from sluice.control.processes import Mark, ProcessGroup, list_marked
from sluice.local.cluster import Cluster
from support.checkouts import Checkout
from support.standalone import free_ports
from support.tables import bronze_rows, landed_rows, silver_rows, stream_windows

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(900)]

STEPS = ("landed", "preflight", "bronze", "silver", "audit", "late rows")


@pytest.fixture
def cluster(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Return what `make cluster` starts; `make run` uses the connection it prints."""
    try:
        shown = checkout.call_cluster("up", "--port", str(free_ports()))
        for name, value in printed_settings(shown):
            monkeypatch.setenv(name, value)
        group = ProcessGroup.read(checkout.airflow.home / "cluster")
        assert group is not None
        yield Cluster(group)
    finally:
        checkout.call_cluster("down")


def test_run_takes_in_an_hour_once_and_is_quick_without_work(
    checkout: Checkout,
) -> None:
    """The first promise to a newcomer, and what every later run must keep."""
    take_in_an_hour(checkout)

    began = time.monotonic()
    assert "nothing new" in checkout.call("run", "--land", "0")
    assert time.monotonic() - began < 10
    assert bronze_rows(checkout.config) == landed_rows(checkout.config)
    assert list_marked(Mark("SLUICE_AIRFLOW_HOME", str(checkout.airflow.home))) == []


@pytest.mark.long
def test_one_connection_takes_the_whole_dag_to_the_cluster(
    checkout: Checkout, cluster: Cluster
) -> None:
    """The pipeline does not know where Spark runs, and its rows are the same."""
    take_in_an_hour(checkout, "--land", "1")

    ran = finished_applications(cluster.page)
    assert set(ran) == {"orders_bronze", "orders_orders_windowed_aggregates"}
    for application in ran.values():
        used = executors_by_worker(checkout.airflow.home / "cluster", application)
        assert used == {"worker-1": 1, "worker-2": 1}, application
    checkout.call_cluster("down")
    assert cluster.processes.list_pids() == []


def take_in_an_hour(checkout: Checkout, *options: str) -> None:
    """Land and run an hour; all that has landed must be in the tables once."""
    before = landed_rows(checkout.config).total()

    printed = checkout.call("run", *options)

    assert "1,200 rows" in printed
    for step in STEPS:
        assert step in printed, step
    assert landed_rows(checkout.config).total() == before + 1_200
    assert bronze_rows(checkout.config) == landed_rows(checkout.config)
    assert silver_rows(checkout.config) == stream_windows(checkout.config)


def printed_settings(shown: str) -> list[tuple[str, str]]:
    """Return names and values of the variables in the command that is printed."""
    (line,) = [line for line in shown.splitlines() if line.startswith("run ")]
    pairs = (word.partition("=") for word in shlex.split(line)[1:] if "=" in word)
    return [(name, value) for name, _, value in pairs]


def finished_applications(page: str) -> dict[str, str]:
    """Return name and id of each application that the master saw to a good end."""
    with urlopen(f"{page}/json/", timeout=10) as answer:
        found = json.load(answer)["completedapps"]
    return {each["name"]: each["id"] for each in found if each["state"] == "FINISHED"}


def executors_by_worker(home: Path, application: str) -> dict[str, int]:
    """Count the executors of an application in the folder of each worker."""
    return dict(
        Counter(path.parts[-3] for path in home.glob(f"worker-*/{application}/[0-9]*"))
    )
