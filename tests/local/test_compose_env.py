"""``make compose-env`` as a program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import compose_env


def test_it_runs_without_any_package():
    """A machine with Docker and a Python needs no set-up for it."""
    code = "import sys; sys.argv=['x']; import compose_env"
    folder = str(Path(compose_env.__file__).parent)
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path[:0]=[{folder!r}]",
    ]
    done = subprocess.run(
        [*command[:-1], f"{command[-1]}; {code}"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
