"""Docker Compose itself, built by Go: it renders the file without an engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.compose_file import COMPOSE_FILE

VERSION = "v2.40.3"
MODULE = f"github.com/docker/compose/v2@{VERSION}"


class NoComposeError(Exception):
    """Docker Compose cannot be built here."""


def built_compose(folder: Path) -> Path:
    """Build Docker Compose into ``folder``, which takes minutes; return the program.

    Raises:
        NoComposeError: Go, or a network to its modules, is missing.
    """
    if shutil.which("go") is None:
        raise NoComposeError("Go is missing, which builds Docker Compose")
    fetched = go("mod", "download", "-json", MODULE, cwd=folder)
    # Its own folder names what it replaces, which `go install` does not do.
    source = folder / "source"
    shutil.copytree(json.loads(fetched)["Dir"], source, copy_function=shutil.copyfile)
    for each in (source, *source.rglob("*")):
        each.chmod(0o700)
    program = folder / "docker-compose"
    # Go keeps what it compiled, wherever that was: the next build takes seconds.
    go("build", "-trimpath", "-ldflags=-s -w", "-o", str(program), "./cmd", cwd=source)
    return program


def rendered(
    program: Path, folder: Path, variables: Mapping[str, str]
) -> dict[str, Any]:
    """Return what Docker Compose makes of our file with ``variables`` in ``.env``."""
    env = folder / "env"
    env.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    command = ["--file", str(COMPOSE_FILE), "--env-file", str(env)]
    done = subprocess.run(
        [str(program), *command, "config", "--format", "json"],
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        capture_output=True,
        check=True,
        text=True,
    )
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def go(*arguments: str, cwd: Path) -> str:
    """Call Go and return what it prints.

    Raises:
        NoComposeError: it failed.
    """
    done = subprocess.run(
        ["go", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoComposeError(f"go {arguments[0]}: {done.stderr[-500:]}")
    return done.stdout
