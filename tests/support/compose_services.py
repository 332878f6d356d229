"""The services of ``docker-compose.yml`` as processes of this machine.

Each runs its own command, environment and health check. What differs from containers
is in :class:`Machine`: host names, ports and folders.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.control.processes import Mark, end_marked, list_marked
from support import compose_file

_SECONDS = re.compile(r"(\d+)s")
_STOP_GRACE = "10s"  # Docker's default


@dataclass
class Machine:
    """Where this machine has what the containers have at fixed names and places."""

    folder: Path
    ports: Mapping[str, int]
    mark: Mark = field(default_factory=lambda: Mark.new("SLUICE_COMPOSE_TEST"))

    @property
    def replaced(self) -> list[tuple[str, str]]:
        """Each pattern that is replaced, wherever it stands, and by what."""
        ports = self.ports
        return [
            (r"\bpostgres:5432\b", f"127.0.0.1:{ports['postgres']}"),
            (r"\bapi-server:8080\b", f"127.0.0.1:{ports['api-server']}"),
            (r"\blocalhost:8080\b", f"localhost:{ports['api-server']}"),
            (r"\bspark-master:7077\b", f"127.0.0.1:{ports['spark-master']}"),
            (
                r'//spark-master", "port": 7077\b',
                f'//127.0.0.1", "port": {ports["spark-master"]}',
            ),
            (r"^0\.0\.0\.0$|^spark-driver$", "127.0.0.1"),
            (r"/opt/sluice\b", str(compose_file.ROOT)),
            (r"/opt/airflow\b", str(self.folder / "airflow")),
            (r"/var/spark\b", str(self.folder / "spark")),
            (r"(?<!\w)/lake\b", str(self.folder / "lake")),
        ]

    @property
    def variables(self) -> dict[str, str]:
        """The variables that name ports: one machine has each only once."""
        ports = self.ports
        return {
            "PGPORT": str(ports["postgres"]),
            "AIRFLOW__API__PORT": str(ports["api-server"]),
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(
                ports["scheduler"]
            ),
            "SPARK_MASTER_WEBUI_PORT": str(ports["spark-master-page"]),
        }

    def here(self, value: str) -> str:
        """Return ``value`` as it is on this machine."""
        for pattern, text in self.replaced:
            value = re.sub(pattern, text, value)
        return value


@dataclass
class Service:
    """One service, or one of its replicas; ``own`` are variables of the replica."""

    name: str
    facts: Mapping[str, Any]
    machine: Machine
    own: Mapping[str, str] = field(default_factory=dict)
    replica: int = 1
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """What it writes to its output."""
        return self.machine.folder / f"{self.name}-{self.replica}.log"

    @property
    def environment(self) -> dict[str, str]:
        """Its whole environment: that of the image, of the file, of this machine."""
        given = self.facts.get("environment", {})
        image = {"PATH": f"{compose_file.ROOT}/.venv/bin:{os.environ['PATH']}"}
        return {
            **image,
            "HOME": str(self.machine.folder),
            **{name: self.machine.here(value) for name, value in given.items()},
            **{
                k: v
                for k, v in self.machine.variables.items()
                if k in {*given, "PGPORT"}
            },
            **self.own,
            **self.machine.mark.as_environment(),
        }

    def start(self) -> None:
        """Start its command as Docker would."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._here(self.facts["command"]),
                env=self.environment,
                cwd=compose_file.ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, *command: str, seconds: float = 120) -> str:
        """Run another command (`docker compose exec`) and return its output."""
        done = subprocess.run(
            self._here(command),
            env=self.environment,
            cwd=compose_file.ROOT,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def is_healthy(self) -> bool:
        """Return what its health check says."""
        check = self.facts["healthcheck"]
        word, *command = check["test"]
        assert word == "CMD"
        try:
            return not subprocess.run(
                self._here(command),
                env=self.environment,
                cwd=compose_file.ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds(check["timeout"]),
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return False

    def await_health(self) -> None:
        """Wait as long as Docker would before it calls the service unhealthy."""
        check = self.facts["healthcheck"]
        patience = seconds(check["start_period"]) + check["retries"] * seconds(
            check["interval"]
        )
        deadline = time.monotonic() + patience
        while not self.is_healthy():
            assert self.process is None or self.process.poll() is None, self.tail()
            assert time.monotonic() < deadline, (
                f"{self.name} is not healthy: {self.tail()}"
            )
            time.sleep(1)

    def await_end(self, limit: float = 180) -> int:
        """Return the exit code of a service that runs once."""
        assert self.process is not None
        return self.process.wait(timeout=limit)

    def stop(self) -> float:
        """Ask it to end, as `docker compose stop` does; return how long it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(
            timeout=seconds(self.facts.get("stop_grace_period", _STOP_GRACE))
        )
        return time.monotonic() - began

    def tail(self) -> str:
        """Return the last of what it wrote."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def _here(self, command: Sequence[str]) -> list[str]:
        program, *arguments = map(self.machine.here, command)
        # Popen looks in the PATH of this process, a container in its own.
        found = shutil.which(program, path=self.environment["PATH"])
        assert found is not None, program
        return [found, *arguments]


def seconds(text: str) -> float:
    """Return a duration of the file."""
    found = _SECONDS.fullmatch(text)
    assert found is not None, text
    return float(found[1])


@contextmanager
def nothing_left(machine: Machine) -> Iterator[None]:
    """End every process of the services after the block, whatever happened in it."""
    with ExitStack() as at_end:
        at_end.callback(end_marked, machine.mark, grace_seconds=5.0)
        yield


def left_over(machine: Machine) -> list[int]:
    """Return the processes of the services that are still alive."""
    return list_marked(machine.mark)
