"""A real Postgres on this machine: Debian's package, on a free port, as no root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where Debian and Ubuntu keep the server's programs, which are not on the PATH.
_FOLDERS = "/usr/lib/postgresql/*/bin"
# Root is refused by the server, and the package brings this user.
_USER = "postgres"
_STOP_SECONDS = 30.0


class PostgresMissingError(Exception):
    """There is no Postgres here, and this user cannot install one."""


@dataclass(frozen=True)
class PostgresServer:
    """A server to be started; ``programs`` is where the package keeps them."""

    programs: Path
    data: Path
    port: int

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which Postgres's own programs find the server."""
        return {"PGPORT": str(self.port), "PGDATA": str(self.data)}


def installed_programs() -> Path:
    """Return the folder of the server's programs; root on Debian installs them first.

    Raises:
        PostgresMissingError: they have to be installed.
    """
    if not _found():
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise PostgresMissingError(
                "Postgres is missing: apt-get install postgresql"
            )
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for arguments in (["update"], ["install", "--yes", "postgresql"]):
            subprocess.run(["apt-get", "--quiet", *arguments], env=quiet, check=True)
    return _found()[-1]


@contextmanager
def running_postgres(
    programs: Path, port: int, *, user: str, password: str, database: str
) -> Iterator[PostgresServer]:
    """Run a server with one user and one database, as its image does; stop it after."""
    with tempfile.TemporaryDirectory(prefix="sluice-postgres-") as folder:
        server = PostgresServer(programs, Path(folder, "data"), port)
        _own(Path(folder))
        _initialize(server, user, password)
        _run(server, ["postgres", "--single", "postgres"], text=_create(database, user))
        process = _start(server)
        try:
            yield server
        finally:
            # Its fast shutdown: sessions are ended, nothing is lost.
            process.send_signal(signal.SIGINT)
            process.wait(timeout=_STOP_SECONDS)


def _found() -> list[Path]:
    folders = Path("/").glob(_FOLDERS.removeprefix("/"))
    return sorted(each for each in folders if (each / "initdb").is_file())


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam(_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)


def _unprivileged() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": _USER, "group": _USER, "extra_groups": []}


def _initialize(server: PostgresServer, user: str, password: str) -> None:
    file = server.data.with_name("password")
    file.write_text(password, encoding="utf-8")
    _own(file)
    command = [f"--username={user}", f"--pwfile={file}", "--auth=scram-sha-256"]
    _run(server, ["initdb", "--no-sync", "--encoding=UTF8", *command])
    settings = (
        "listen_addresses = '127.0.0.1'",
        f"unix_socket_directories = '{server.data}'",
        "fsync = off",
    )
    with (server.data / "postgresql.conf").open("a", encoding="utf-8") as conf:
        conf.write("\n".join(["", *settings, ""]))


def _create(database: str, owner: str) -> str:
    assert (database + owner).isidentifier(), "neither needs quotes"
    return f"CREATE DATABASE {database} OWNER {owner};"


def _start(server: PostgresServer) -> subprocess.Popen[bytes]:
    with server.data.with_name("log").open("wb") as log:
        return subprocess.Popen(
            [str(server.programs / "postgres")],
            env=os.environ | server.environment,
            cwd=server.data,
            **_unprivileged(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _run(
    server: PostgresServer, command: Sequence[str], *, text: str | None = None
) -> None:
    program, *arguments = command
    subprocess.run(
        [str(server.programs / program), *arguments],
        env=os.environ | server.environment,
        cwd=server.data.parent,
        **_unprivileged(),
        input=text,
        text=True,
        stdout=subprocess.DEVNULL,
        check=True,
    )
