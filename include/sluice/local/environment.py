"""Where the Airflow of this checkout lives and the environment its processes get."""

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from sluice.errors import Condition, UsageError
from sluice.local.settings import Places, airflow_settings
from sluice.spark.setup.installation import source_folder, write_text_atomically

_DEFAULT_PORT = 8080
_LAST_PORT = 65_535
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class LocalAirflow:
    """One Airflow on this machine; everything it writes is below ``home``."""

    root: Path
    home: Path
    port: int

    @property
    def url(self) -> str:
        """The address of its API server and pages; only this machine reaches it."""
        return f"http://{_HOST}:{self.port}"

    @property
    def logs(self) -> Path:
        """The folder of the logs of its processes and tasks."""
        return self._places().logs

    @property
    def stamp(self) -> Path:
        """The file that says which version prepared the database."""
        return self.home / "prepared"

    @property
    def passwords(self) -> Path:
        """The file from which Airflow reads the password of ``admin``."""
        return self._places().passwords

    @property
    def database(self) -> Path:
        """The file of its database."""
        return self.home / "airflow.db"

    @property
    def secrets(self) -> Path:
        """The file of the secrets that its processes share."""
        return self.home / "secrets.json"

    def is_prepared(self) -> bool:
        """Return True if this version of Airflow has prepared the database."""
        return self.stamp.is_file() and self.stamp.read_text("utf-8") == stamp_text()

    def environment(self) -> dict[str, str]:
        """Return the whole environment for a process of this Airflow.

        Settings of another Airflow on this machine are left out: nothing of it is ever
        touched. Connections (``AIRFLOW_CONN_…``) are kept.
        """
        return {
            **{key: value for key, value in os.environ.items() if not _foreign(key)},
            **airflow_settings(self._places()),
            **_load_secrets(self.secrets),
            **_sluice_settings(self.root, os.environ),
        }

    def _places(self) -> Places:
        return Places(
            root=self.root,
            home=self.home,
            database=f"sqlite:///{self.database}",
            host=_HOST,
            port=self.port,
            server=self.url,
            url=self.url,
        )


def local_airflow() -> LocalAirflow:
    """Return the Airflow of this checkout: ``.airflow``, or ``SLUICE_AIRFLOW_HOME``."""
    root = source_folder().parent
    home = os.environ.get("SLUICE_AIRFLOW_HOME")
    return LocalAirflow(
        root=root,
        home=Path(home).absolute() if home else root / ".airflow",
        port=_port(os.environ.get("SLUICE_PORT")),
    )


def stamp_text() -> str:
    """Return what the stamp of a prepared database says."""
    return f"apache-airflow {version('apache-airflow')}"


def _port(given: str | None) -> int:
    if not given:
        return _DEFAULT_PORT
    if not given.isdecimal() or not 0 < int(given) <= _LAST_PORT:
        raise UsageError(
            Condition.USAGE,
            f"SLUICE_PORT: expected a port number up to {_LAST_PORT}, got {given!r}",
        )
    return int(given)


def _foreign(key: str) -> bool:
    return key == "AIRFLOW_HOME" or key.startswith(("AIRFLOW__", "_AIRFLOW_"))


def _load_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of this Airflow, made up on first use.

    Left to itself, each of several processes that start at once makes up its own, and
    then none believes the tokens of another.
    """
    if not path.is_file():
        made = {
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "AIRFLOW__CORE__FERNET_KEY": _random_base64(),
        }
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text_atomically(path, json.dumps(made), mode=0o600)
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _random_base64() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _sluice_settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what jobs read, independent of the folder that a process works in."""
    lake = environ.get("SLUICE_LAKE") or str(root / "lake")
    pipelines = environ.get("SLUICE_PIPELINES")
    connection = "AIRFLOW_CONN_SPARK_DEFAULT"
    connect = "AIRFLOW_CONN_SPARK_CONNECT_DEFAULT"
    return {
        "SLUICE_LAKE": lake if "://" in lake else str(Path(lake).absolute()),
        **({"SLUICE_PIPELINES": str(Path(pipelines).absolute())} if pipelines else {}),
        connection: environ.get(connection)
        or '{"conn_type": "spark", "host": "local[*]"}',
        connect: environ.get(connect)
        or '{"conn_type": "spark_connect", "host": "localhost"}',
        "PYTHONPATH": _prefixed(str(source_folder()), environ.get("PYTHONPATH")),
        "PATH": _prefixed(str(Path(sys.executable).parent), environ.get("PATH")),
        # Airflow's processes talk to each other; a proxy must not come between them.
        "NO_PROXY": _prefixed(f"{_HOST},localhost", environ.get("NO_PROXY"), ","),
        "no_proxy": _prefixed(f"{_HOST},localhost", environ.get("no_proxy"), ","),
        # A renamed process would otherwise overwrite the environment we know it by.
        "SPT_NOENV": "1",
    }


def _prefixed(first: str, rest: str | None, separator: str = os.pathsep) -> str:
    return f"{first}{separator}{rest}" if rest else first
