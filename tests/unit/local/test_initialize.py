"""What is made once before the services of docker-compose.yml start."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sluice.errors import Condition, FatalError, UsageError
from sluice.local.initialize import make_landing_folders, write_password

FILE = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"


@pytest.fixture
def pipelines(tmp_path, monkeypatch):
    """Return the folder of the pipeline files; the lake is beside it."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    monkeypatch.setenv("SLUICE_PIPELINES", str(folder))
    monkeypatch.setenv("SLUICE_LAKE", str(tmp_path / "lake"))
    return folder


def write_pipeline(folder: Path, name: str, **source: object) -> None:
    """Write a pipeline that reads JSON."""
    content = {"name": name, "bronze": {"source": {"format": "json", **source}}}
    (folder / f"{name}.yaml").write_text(json.dumps(content))


def test_the_password_becomes_that_of_the_secret(tmp_path):
    """Airflow would make one up and print it into a log, and every change is lost."""
    file = tmp_path / "airflow" / "passwords"
    for password in ("first", "changed"):
        environ = {"SLUICE_ADMIN_PASSWORD": password, FILE: str(file)}
        assert write_password(environ) == file
        assert json.loads(file.read_text()) == {"admin": password}
        assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("password", [{}, {"SLUICE_ADMIN_PASSWORD": ""}])
def test_no_password_is_refused(tmp_path, password):
    """An empty one would let every user in."""
    with pytest.raises(UsageError, match="make compose-env") as raised:
        write_password({FILE: str(tmp_path / "file"), **password})
    assert raised.value.context == {"variable": "SLUICE_ADMIN_PASSWORD"}
    assert list(tmp_path.iterdir()) == []


def test_landing_folders_in_the_lake_are_made_once(pipelines, tmp_path):
    """The first scheduled run comes before the first file and would fail."""
    write_pipeline(pipelines, "orders")
    (pipelines / "wrong.yaml").write_text("nmae: wrong")
    assert make_landing_folders() == [str(tmp_path / "lake" / "landing" / "orders")]
    assert (tmp_path / "lake" / "landing" / "orders").is_dir()
    assert make_landing_folders() == []


def test_landing_folders_elsewhere_are_left_to_their_owner(pipelines, tmp_path):
    """A folder that was not mounted must be missed, not made again and empty."""
    write_pipeline(pipelines, "orders", path=str(tmp_path / "mounted" / "orders"))
    assert make_landing_folders() == []
    assert not (tmp_path / "mounted").exists()


def test_a_landing_folder_that_cannot_be_made_is_named(pipelines, tmp_path):
    """A folder of the host belongs to a user of the host."""
    write_pipeline(pipelines, "orders")
    (tmp_path / "lake").write_text("no folder")
    with pytest.raises(FatalError, match="cannot be made") as raised:
        make_landing_folders()
    assert raised.value.condition is Condition.STORAGE_REFUSED
    assert f"user {os.geteuid()} " in raised.value.message
