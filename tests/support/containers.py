"""The containers of ``docker-compose.yml``, on a real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.compose_file import COMPOSE_FILE, ROOT, parsed

_PROJECT = "sluice-tests"


class NoEngineError(Exception):
    """No Docker engine answers here, or it lacks an image that it cannot pull."""


@dataclass(frozen=True)
class Containers:
    """Docker Compose for our file, under a project name of its own."""

    compose: Path
    env: Path

    def call(self, *arguments: str) -> str:
        """Call Docker Compose and return what it prints."""
        command = [str(self.compose), "--project-name", _PROJECT]
        command += ["--file", str(COMPOSE_FILE), "--env-file", str(self.env)]
        return _output([*command, *arguments])

    def up(self) -> None:
        """Start all services; their dependencies are awaited, their health is not."""
        self.call("up", "--detach", "--no-build")

    def down(self) -> None:
        """Stop the services and delete what they kept."""
        self.call("down", "--volumes", "--timeout", "30")

    def states(self) -> dict[str, str]:
        """Return each service's health, or its exit code where it has ended."""
        found = {}
        for line in self.call("ps", "--all", "--format", "json").splitlines():
            state = json.loads(line)
            ended = state["State"] == "exited"
            found[state["Service"]] = str(
                state["ExitCode"] if ended else state["Health"]
            )
        return found

    def inspected(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        identity = self.call("ps", "--quiet", service).strip()
        (facts,) = json.loads(_output(["docker", "inspect", identity]))
        return dict(facts)

    def run(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container, as its user."""
        identity = self.call("ps", "--quiet", service).strip()
        return subprocess.run(
            ["docker", "exec", identity, *command],
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def running_containers(
    compose: Path, folder: Path, variables: Mapping[str, str]
) -> Iterator[Containers]:
    """Build the image, start all services, and stop them at the end.

    Raises:
        NoEngineError: there is no engine, or an image is missing.
    """
    _require_images()
    env = folder / "env"
    env.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    containers = Containers(compose, env)
    # By the network of the machine: that of an engine may not lead out.
    image = parsed()["x-sluice"]["image"]
    build = ["docker", "build", "--network", "host", "--tag", image, str(ROOT)]
    mirror = os.environ.get("PIP_INDEX_URL")
    _output([*build, *(["--build-arg", f"PIP_INDEX_URL={mirror}"] if mirror else [])])
    try:
        containers.up()
        yield containers
    finally:
        containers.down()


def _require_images() -> None:
    """Have the images that ours are made of, or pull them."""
    if shutil.which("docker") is None:
        raise NoEngineError("docker is missing")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    base = next(line.split()[1] for line in dockerfile if line.startswith("FROM"))
    for image in (base, parsed()["services"]["postgres"]["image"]):
        if _fails(["docker", "image", "inspect", image]) and _fails(
            ["docker", "pull", image]
        ):
            raise NoEngineError(f"no Docker engine, or it has no image {image}")


def _fails(command: list[str]) -> bool:
    return bool(subprocess.run(command, capture_output=True, check=False).returncode)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
    return done.stdout
