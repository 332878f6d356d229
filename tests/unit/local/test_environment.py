"""The environment that the processes of the local Airflow get."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import Condition, UsageError
from sluice.local.environment import LocalAirflow, local_airflow


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    """Keep the secrets of a test out of the checkout."""
    monkeypatch.setenv("SLUICE_AIRFLOW_HOME", str(tmp_path / "airflow"))


def environment() -> dict[str, str]:
    """Return the environment that processes would get now."""
    return local_airflow().environment()


def test_home_is_inside_the_checkout_unless_said_otherwise(monkeypatch):
    """Deleting the folder must remove all that a run has made."""
    monkeypatch.delenv("SLUICE_AIRFLOW_HOME")
    airflow = local_airflow()
    assert airflow.home == airflow.root / ".airflow"
    assert (airflow.root / "include" / "sluice").is_dir()


def test_another_airflow_of_this_user_is_never_touched(monkeypatch):
    """With its settings in the shell we would migrate its database."""
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://other")
    monkeypatch.setenv("AIRFLOW__CORE__PARALLELISM_CMD", "echo 1")
    found = environment()
    assert found["AIRFLOW_HOME"] == str(local_airflow().home)
    assert found["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("sqlite:///")
    assert "AIRFLOW__CORE__PARALLELISM_CMD" not in found


def test_a_given_spark_connection_is_kept(monkeypatch):
    """A user's own cluster takes the place of the embedded Spark."""
    assert "local[*]" in environment()["AIRFLOW_CONN_SPARK_DEFAULT"]
    assert "spark_connect" in environment()["AIRFLOW_CONN_SPARK_CONNECT_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_SPARK_DEFAULT", "spark://master:7077")
    assert environment()["AIRFLOW_CONN_SPARK_DEFAULT"] == "spark://master:7077"


def test_secrets_are_made_once_and_for_the_owner_only():
    """Processes with secrets of their own do not believe each other's tokens."""
    names = (
        "AIRFLOW__API__SECRET_KEY",
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "AIRFLOW__CORE__FERNET_KEY",
    )
    first, second = environment(), environment()
    assert [first[name] for name in names] == [second[name] for name in names]
    assert len({first[name] for name in names}) == 3
    secrets = local_airflow().home / "secrets.json"
    assert secrets.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("given", "expected"),
    [("mylake", str(Path("mylake").absolute())), ("s3://bucket/lake",) * 2],
)
def test_the_lake_does_not_depend_on_the_folder_of_a_process(
    monkeypatch, given, expected
):
    """Airflow's processes and jobs each work in a folder of their own."""
    monkeypatch.setenv("SLUICE_LAKE", given)
    assert environment()["SLUICE_LAKE"] == expected


def test_the_lake_is_in_the_checkout_by_default(monkeypatch):
    """Everything lives inside the checkout."""
    monkeypatch.delenv("SLUICE_LAKE", raising=False)
    assert environment()["SLUICE_LAKE"] == str(local_airflow().root / "lake")


def test_nothing_listens_beyond_this_machine(monkeypatch):
    """The pages of a newcomer's Airflow are not for the network."""
    monkeypatch.setenv("SLUICE_PORT", "18181")
    found = environment()
    assert found["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert found["AIRFLOW__API__BASE_URL"] == "http://127.0.0.1:18181"
    assert found["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == (
        "http://127.0.0.1:18181/execution/"
    )


def test_a_proxy_is_kept_out_of_the_loopback(monkeypatch):
    """Airflow's processes talk to each other by HTTP."""
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert environment()["NO_PROXY"] == "127.0.0.1,localhost,example.org"


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_wrong_port_is_refused(monkeypatch, port):
    """Airflow's own error for it comes late and in a log."""
    monkeypatch.setenv("SLUICE_PORT", port)
    with pytest.raises(UsageError, match="SLUICE_PORT") as raised:
        local_airflow()
    assert raised.value.condition is Condition.USAGE


def test_a_database_of_another_version_is_prepared_again(tmp_path):
    """After an upgrade the stamp of the old version must not skip the migration."""
    airflow = LocalAirflow(root=tmp_path, home=tmp_path, port=1)
    assert not airflow.is_prepared()
    airflow.stamp.write_text("apache-airflow 1.10.15")
    assert not airflow.is_prepared()
