"""An Airflow, a lake and a port of its own for each test that needs a real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluice.config import PipelineConfig, load_pipeline
from sluice.installation import source_folder
from sluice.orchestration.environment import LocalAirflow, local_airflow
from sluice.orchestration.services import stop_services

ROOT = source_folder().parent


@dataclass(frozen=True)
class Checkout:
    """What `make run`, `make up` and `make down` work on."""

    airflow: LocalAirflow
    config: PipelineConfig

    def call(self, *arguments: str, timeout: float = 300) -> str:
        """Call the module behind the make targets; return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "sluice.orchestration.local", *arguments],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Return a fresh Airflow over an empty lake; it is stopped whatever happens."""
    monkeypatch.setenv("SLUICE_AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setenv("SLUICE_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("SLUICE_PORT", str(free_port()))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.delenv("SLUICE_PIPELINES", raising=False)
    airflow = local_airflow()
    try:
        yield Checkout(airflow, load_pipeline("orders"))
    finally:
        stop_services(airflow)


def free_port() -> int:
    """Return a port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
