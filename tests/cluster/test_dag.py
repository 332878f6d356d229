"""`make cluster`, then `make run` with the connection that it prints."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from checkouts import Checkout, fresh_checkout
from sluice.orchestration.cluster import Cluster
from sluice.orchestration.processes import ProcessGroup
from standalone import free_ports
from tables import bronze_rows, landed_rows, silver_rows, stream_windows

pytestmark = [pytest.mark.needs_java, pytest.mark.timeout(900)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Return a fresh Airflow and a place for a cluster; nothing is left behind."""
    with fresh_checkout(tmp_path, monkeypatch) as made:
        try:
            yield made
        finally:
            made.call_cluster("down")


def test_one_connection_takes_the_whole_dag_to_the_cluster(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pipeline does not know where Spark runs, and its rows are the same."""
    shown = checkout.call_cluster("up", "--port", str(free_ports()))
    monkeypatch.setenv(*printed_setting(shown))

    told = checkout.call("run")

    assert "1,200 rows" in told
    assert bronze_rows(checkout.config) == landed_rows(checkout.config)
    assert silver_rows(checkout.config) == stream_windows(checkout.config)
    home = checkout.airflow.home / "cluster"
    group = ProcessGroup.read(home)
    assert group is not None
    ran = finished_applications(Cluster(group).page)
    assert set(ran) == {"orders_bronze", "orders_orders_windowed_aggregates"}
    for application in ran.values():
        used = executors_by_worker(home, application)
        assert used == {"worker-1": 1, "worker-2": 1}, application
    checkout.call_cluster("down")
    assert group.list_pids() == []


def printed_setting(shown: str) -> tuple[str, str]:
    """Return name and value of the variable in the command that is printed."""
    (line,) = [line for line in shown.splitlines() if line.startswith("run ")]
    name, _, value = shlex.split(line)[1].partition("=")
    return name, value


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
