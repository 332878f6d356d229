"""The settings of our Airflow, wherever it runs: on this machine or in containers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the parts of one Airflow are.

    ``database`` is SQLAlchemy's URL. ``host`` and ``port`` are what the API server
    listens on, ``server`` is its URL for the other components and ``url`` its URL for
    users.
    """

    root: Path
    home: Path
    database: str
    host: str
    port: int
    server: str
    url: str

    @property
    def logs(self) -> Path:
        """The folder of the logs of processes and tasks."""
        return self.home / "logs"

    @property
    def passwords(self) -> Path:
        """The file of the users' passwords."""
        return self.home / "simple_auth_manager_passwords.json.generated"


def airflow_settings(places: Places) -> dict[str, str]:
    """Return the environment variables of Airflow's settings, without secrets."""
    logs = str(places.logs)
    settings = {
        "CORE__DAGS_FOLDER": str(places.root / "dags"),
        "CORE__EXECUTION_API_SERVER_URL": f"{places.server}/execution/",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__PARALLELISM": "4",
        "CORE__PLUGINS_FOLDER": str(places.root / "include" / "plugins"),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(places.passwords),
        "DATABASE__SQL_ALCHEMY_CONN": places.database,
        "LOGGING__BASE_LOG_FOLDER": logs,
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": f"{logs}/dag_processor",
        "API__HOST": places.host,
        "API__PORT": str(places.port),
        "API__BASE_URL": places.url,
        "API__WORKERS": "1",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    named = {f"AIRFLOW__{key}": value for key, value in settings.items()}
    return {"AIRFLOW_HOME": str(places.home), **named}
