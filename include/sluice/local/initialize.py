"""What runs once before the services of ``docker-compose.yml`` start.

    python -m sluice.local.initialize

Airflow's database is made or brought to this version, the password of its user
``admin`` becomes that of ``SLUICE_ADMIN_PASSWORD``, and each pipeline that reads from
the lake gets its landing folder: its first scheduled run may come before its files.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from sluice.config import PipelineConfig, list_pipelines, load_pipeline
from sluice.errors import Condition, ExitCode, FatalError, SluiceError, UsageError
from sluice.paths import is_local
from sluice.spark.setup.installation import write_text_atomically

PASSWORD = "SLUICE_ADMIN_PASSWORD"
_FILE = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"


def write_password(environ: Mapping[str, str]) -> Path:
    """Write the file from which Airflow reads the password of ``admin``; return it.

    Raises:
        UsageError: the password or the place of the file is not given.
    """
    for name in (PASSWORD, _FILE):
        if not environ.get(name):
            raise UsageError(
                Condition.USAGE,
                f"{name}: expected a value, got none; `make compose-env` writes the "
                "secrets that docker-compose.yml hands over",
                {"variable": name},
            )
    file = Path(environ[_FILE])
    write_text_atomically(file, json.dumps({"admin": environ[PASSWORD]}), mode=0o600)
    return file


def make_landing_folders() -> list[str]:
    """Make the landing folders that are missing in the lake, and return them.

    A folder elsewhere belongs to others: a run reports that it is missing.

    Raises:
        FatalError: a folder cannot be made.
    """
    made = []
    for config in _right_pipelines():
        landing = config.landing_location
        in_the_lake = config.bronze.source.path is None
        if in_the_lake and is_local(landing) and not Path(landing).exists():
            _make_folder(Path(landing))
            made.append(landing)
    return made


def main() -> int:
    """Prepare what the services need and return the exit code."""
    try:
        write_password(os.environ)
        make_landing_folders()
    except SluiceError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    # Airflow takes seconds to import, and it reads its settings while it does.
    from sluice.orchestration.database import prepare_database  # noqa: PLC0415

    prepare_database()
    sys.stdout.write("Airflow's database and its user admin are ready\n")
    return ExitCode.DONE


def _right_pipelines() -> Iterator[PipelineConfig]:
    """Yield the pipelines that are right; Airflow shows what is wrong with others."""
    for path in list_pipelines():
        with suppress(UsageError):
            yield load_pipeline(str(path))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise FatalError(
            Condition.STORAGE_REFUSED,
            f"landing folder {str(folder)!r} cannot be made: {error.strerror}; make it "
            f"yourself, for user {os.geteuid()} to read, and start again",
            {"path": str(folder)},
        ) from error


if __name__ == "__main__":
    sys.exit(main())
