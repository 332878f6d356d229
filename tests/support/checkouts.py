"""An Airflow and a lake of their own, worked on by the commands behind ``make``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluice.config import PipelineConfig, load_pipeline
from sluice.control.processes import stop_group
from sluice.local.environment import LocalAirflow, local_airflow
from sluice.spark.setup.installation import source_folder
from support.standalone import free_port

ROOT = source_folder().parent


@dataclass(frozen=True)
class Checkout:
    """What `make run`, `make up`, `make cluster` and their opposites work on."""

    airflow: LocalAirflow
    config: PipelineConfig

    def call(self, *arguments: str, timeout: float = 300) -> str:
        """Call the module behind `make run`; return what it prints."""
        return self._call("airflow", arguments, timeout)

    def call_cluster(self, *arguments: str) -> str:
        """Call the module behind `make cluster`; return what it prints."""
        return self._call("cluster", arguments, timeout=120)

    def _call(self, module: str, arguments: tuple[str, ...], timeout: float) -> str:
        done = subprocess.run(
            [sys.executable, "-m", f"sluice.local.{module}", *arguments],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def checkout_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checkout]:
    """Give the Airflow and the lake in a folder; they are stopped whatever happens.

    Pipelines are those of a ``pipelines`` folder in it, or else the project's own.
    """
    monkeypatch.setenv("SLUICE_AIRFLOW_HOME", str(folder / "airflow"))
    monkeypatch.setenv("SLUICE_LAKE", str(folder / "lake"))
    monkeypatch.setenv("SLUICE_PORT", str(free_port()))
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.delenv("SLUICE_PIPELINES", raising=False)
    if (folder / "pipelines").is_dir():
        monkeypatch.setenv("SLUICE_PIPELINES", str(folder / "pipelines"))
    airflow = local_airflow()
    try:
        yield Checkout(airflow, load_pipeline("orders"))
    finally:
        stop_group(airflow.home)
