"""The secret by which a standalone cluster and its drivers know each other.

Spark hands it from a worker to its executors in their environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sluice.errors import Condition, UsageError

SECRET = "SLUICE_SPARK_SECRET"
"""The variable with the secret itself, as Compose hands it over."""
SECRET_FILE = "SLUICE_SPARK_SECRET_FILE"
"""The variable with the file that holds it, as ``make cluster`` writes one."""
DAEMON_SECRET = "_SPARK_AUTH_SECRET"
"""The variable from which Spark's own processes take it: no command line has it."""
SECRET_KEY = "spark.authenticate.secret"

_STANDALONE = "spark://"
_SETTINGS = {
    "spark.authenticate": "true",
    # The handshake proves the secret without a word of it, and what follows is
    # encrypted and cannot be altered; the older handshake's ciphers are weak.
    "spark.network.crypto.enabled": "true",
    "spark.network.crypto.saslFallback": "false",
    "spark.network.crypto.cipher": "AES/GCM/NoPadding",
}


def given_secret(environ: Mapping[str, str]) -> str | None:
    """Return the secret that the environment holds or leads to; None without one.

    Raises:
        UsageError: the file that is named cannot be read, or is empty.
    """
    if environ.get(SECRET):
        return environ[SECRET]
    file = environ.get(SECRET_FILE)
    if not file:
        return None
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _no_secret_error(file, f"cannot be read: {error}") from error
    if not secret:
        raise _no_secret_error(file, "is empty")
    return secret


def driver_authentication(master: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of a driver on ``master``, the secret among them.

    They must not be in a command line. Other masters than a standalone cluster's, and
    clusters without a secret, need none.

    Raises:
        UsageError: the file of the secret cannot be read, or is empty.
    """
    secret = given_secret(environ) if master.startswith(_STANDALONE) else None
    return {**_SETTINGS, SECRET_KEY: secret} if secret else {}


def daemon_authentication() -> list[str]:
    """Return the options of the JVM of a master or worker that asks for the secret."""
    return [f"-D{key}={value}" for key, value in _SETTINGS.items()]


def _no_secret_error(file: str, reason: str) -> UsageError:
    return UsageError(
        Condition.USAGE,
        f"{SECRET_FILE}: the file {file!r} {reason}; `make cluster` prints the one "
        "that it has written",
        {"file": file},
    )
