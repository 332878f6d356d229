"""The folder of the local Airflow: its owner alone reads what is in it."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from sluice.errors import Condition, FatalError
from sluice.local.environment import LocalAirflow
from sluice.spark.setup.installation import write_text_atomically

_OTHERS = 0o077


def close_home(airflow: LocalAirflow) -> list[Path]:
    """Make the folder, close it and its secrets to other users; return what was open.

    A folder that an earlier release made may be open, and so may be what Airflow wrote
    into it: database, password, secrets.

    Raises:
        FatalError: the folder, or one of these files, belongs to another user.
    """
    airflow.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_own(airflow.home)
    held = [airflow.database, airflow.passwords, airflow.secrets]
    found = [airflow.home, *(path for path in held if path.exists())]
    was_open = [path for path in found if path.stat().st_mode & _OTHERS]
    for path in was_open:
        _close(path)
    return was_open


def make_private_files(airflow: LocalAirflow) -> None:
    """Make what Airflow would make itself, so that its owner alone ever reads it.

    Airflow's database begins as an empty file. The password of ``admin`` is written
    here, for Airflow would print the one that it makes up into its log.
    """
    os.close(os.open(airflow.database, os.O_RDWR | os.O_CREAT, 0o600))
    if not airflow.passwords.exists() or not airflow.passwords.stat().st_size:
        made = json.dumps({"admin": secrets.token_urlsafe(12)})
        write_text_atomically(airflow.passwords, made, mode=0o600)


def _close(path: Path) -> None:
    _require_own(path)
    path.chmod(path.stat().st_mode & 0o7777 & ~_OTHERS)


def _require_own(path: Path) -> None:
    if path.stat().st_uid != os.geteuid():
        raise FatalError(
            Condition.STORAGE_REFUSED,
            f"{str(path)!r} belongs to another user, and is to hold secrets; move it "
            "away, or name another folder in SLUICE_AIRFLOW_HOME",
            {"path": str(path)},
        )
