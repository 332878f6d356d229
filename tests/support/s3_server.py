"""A real S3 server on this machine: versitygw, built once by Go, on a free port."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sluice.spark.setup.installation import share_folder
from support.s3_build import VERSION, build_server

KEY, SECRET = "sluice-tests", "no-secret-at-all"
START_SECONDS = 30.0


@dataclass
class S3Server:
    """A running server; each folder below ``data`` is a bucket, each object a file."""

    data: Path
    port: int
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which obstore, delta-rs and Spark find the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def make_bucket(self) -> str:
        """Make an empty bucket and return its location."""
        name = f"lake-{next(self.numbers)}"
        (self.data / name).mkdir()
        return f"s3://{name}"


def built_server() -> Path:
    """Return the server's program; the first call builds it, which takes a minute."""
    folder = share_folder() / "s3-server"
    program = folder / f"versitygw-{VERSION}"
    with alone(folder):
        if not program.is_file():
            with tempfile.TemporaryDirectory(dir=folder) as draft:
                assert build_server(draft) == 0, "Go says above why it cannot"
                Path(draft, "versitygw").replace(program)
    return program


def install_jars() -> None:
    """Fetch what Spark needs for S3; the first call takes half a minute."""
    with alone(share_folder() / "s3-server"):
        subprocess.run(
            [sys.executable, "-m", "sluice.spark.setup.prepare", "s3"], check=True
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one of several test processes work in ``folder`` at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def running_server(program: Path, data: Path) -> Iterator[S3Server]:
    """Run the server on a free port of this machine, and stop it afterwards."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [str(program), "--port", address, "--quiet", "posix", str(data)]
    keys = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    process = subprocess.Popen(
        command, env=os.environ | keys, stdout=subprocess.DEVNULL
    )
    try:
        await_port(port, process)
        yield S3Server(data, port)
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def free_port() -> int:
    """Return a free port."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until ``process`` listens on ``port``."""
    until = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "the S3 server ended at once"
        assert time.monotonic() < until, "the S3 server does not listen"
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
