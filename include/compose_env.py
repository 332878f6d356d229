"""Secrets for ``docker-compose.yml``: ``make compose-env`` writes them into ``.env``.

It needs no package, so that a machine with Docker needs no set-up.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_HEADER = "# Secrets of docker-compose.yml, made by `make compose-env`: keep them.\n"


def _random_base64() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


# Letters, digits, - and _ only, or the base64 that Airflow's Fernet key has to be: no
# value needs quotes in .env, nor in the URL of the database.
SECRETS: Mapping[str, Callable[[], str]] = {
    "SLUICE_POSTGRES_PASSWORD": lambda: secrets.token_hex(24),
    "SLUICE_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(18),
    "SLUICE_FERNET_KEY": _random_base64,
    "SLUICE_API_SECRET_KEY": lambda: secrets.token_hex(32),
    "SLUICE_JWT_SECRET": lambda: secrets.token_hex(64),
    "SLUICE_SPARK_SECRET": lambda: secrets.token_hex(32),
}


def missing_secrets(text: str) -> list[str]:
    """Return the names of the secrets that a ``.env`` does not set."""
    pairs = (line.partition("=") for line in text.splitlines())
    found = {name.strip() for name, _, value in pairs if value.strip()}
    return [name for name in SECRETS if name not in found]


def write_secrets(file: Path) -> list[str]:
    """Add to ``file`` the secrets that it lacks; return their names.

    What is there is never changed: the database knows its password already. Only the
    owner can read the file afterwards, and at no moment can others read a new secret.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else _HEADER
    added = missing_secrets(text)
    end = "" if text.endswith("\n") or not text else "\n"
    lines = "".join(f"{name}={SECRETS[name]()}\n" for name in added)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text + end + lines)
    draft.replace(file)
    return added


def main() -> int:
    """Write ``.env`` beside ``docker-compose.yml`` and say what was done."""
    file = Path(__file__).resolve().parent.parent / ".env"
    added = write_secrets(file)
    done = f"added {', '.join(added)} to it" if added else "it has every secret already"
    sys.stdout.write(f"{file.name}: {done}; next: docker compose up --build --detach\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
