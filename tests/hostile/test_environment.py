"""A job does not see the secrets of the Airflow that submits it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sluice.orchestration.environment import PASSED, withheld

SECRETS = [
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW_CONN_WAREHOUSE",
    "SLUICE_ADMIN_PASSWORD",
    "SLUICE_POSTGRES_PASSWORD",
    "SLUICE_JWT_SECRET",
    "DATABASE_URL",
    "GITHUB_TOKEN",
]
NEEDED = [
    *("PATH", "HOME", "LC_ALL", "TZ", "PYTHONPATH", "JAVA_HOME", "SPARK_LOCAL_IP"),
    *("SLUICE_LAKE", "SLUICE_PIPELINES", "SLUICE_SUBMITTERS", "https_proxy"),
    *("AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "KUBERNETES_SERVICE_HOST"),
]


def test_job_gets_what_it_needs_alone() -> None:
    """What is not known to be needed is empty, whatever it is."""
    given = dict.fromkeys([*SECRETS, *NEEDED], "x")

    assert withheld(given) == dict.fromkeys(SECRETS, "")


@pytest.mark.parametrize("passed", ["DATABASE_URL,GITHUB_*", " GITHUB_* DATABASE_URL"])
def test_other_names_are_passed_on_request(passed: str) -> None:
    """For a job that needs a key of its own."""
    found = withheld(
        {"DATABASE_URL": "x", "GITHUB_TOKEN": "x", "A": "", PASSED: passed}
    )

    assert found == {"A": ""}


def test_process_of_the_job_sees_none() -> None:
    """As the provider starts it: by what is added to its own environment."""
    environ = dict.fromkeys(SECRETS, "hunter2")
    code = "import os; print('hunter2' in os.environ.values())"

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ | withheld(environ),
        capture_output=True,
        check=True,
        text=True,
    )

    assert done.stdout.strip() == "False"
