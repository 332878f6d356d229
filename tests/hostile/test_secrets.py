"""Secrets are never readable by others, not for a moment."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from sluice.errors import FatalError
from sluice.local.environment import LocalAirflow
from sluice.local.private import close_home, make_private_files
from sluice.local.services import admin_password
from sluice.spark.setup.installation import write_text_atomically
from support.users import as_another_user


def test_secret_has_its_mode_before_its_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing and then changing the mode leaves time to open it."""
    modes: list[int] = []
    change = Path.chmod

    def look(path: Path, mode: int) -> None:
        modes.append(path.stat().st_mode & 0o777)
        change(path, mode)

    monkeypatch.setattr(Path, "chmod", look)
    before = os.umask(0o022)
    try:
        write_text_atomically(tmp_path / "secret", "{}", mode=0o600)
    finally:
        os.umask(before)

    assert modes == [0o600]
    assert (tmp_path / "secret").read_text() == "{}"


def test_draft_that_is_left_over_gives_no_one_the_secret(tmp_path: Path) -> None:
    """A process that died may have left one of an older mode, or a link elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (tmp_path / f".secret.{os.getpid()}").symlink_to(elsewhere)

    write_text_atomically(tmp_path / "secret", "{}", mode=0o600)

    assert elsewhere.read_text() == ""
    assert not (tmp_path / "secret").is_symlink()


@pytest.fixture
def airflow(tmp_path: Path) -> LocalAirflow:
    """Return an Airflow of which nothing is there, in a folder that all may enter."""
    for each in tmp_path, *tmp_path.parents:
        if each.owner() == tmp_path.owner():
            each.chmod(each.stat().st_mode | 0o055)
        if each.name.startswith("pytest-of"):
            break
    return LocalAirflow(root=tmp_path, home=tmp_path / "airflow", port=1)


def test_old_open_folder_is_closed_with_what_lies_in_it(airflow: LocalAirflow) -> None:
    """As earlier releases, or an Airflow before them, left it."""
    held = [airflow.database, airflow.passwords, airflow.secrets]
    airflow.home.mkdir(mode=0o755)
    airflow.home.chmod(0o755)
    for path in held:
        path.write_text("{}")
        path.chmod(0o644)
    with as_another_user():
        assert [path.read_text() for path in held] == ["{}"] * 3

    closed = close_home(airflow)

    assert closed == [airflow.home, *held]
    assert airflow.home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in held} == {0o600}
    for path in held:
        with as_another_user(), pytest.raises(PermissionError):
            path.read_text()
    assert close_home(airflow) == [], "the second call has nothing to do"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of another user")
def test_folder_of_another_user_is_refused(airflow: LocalAirflow) -> None:
    """Who owns it reads what is written into it, whatever its mode."""
    airflow.home.mkdir(mode=0o755)
    with as_another_user(), pytest.raises(FatalError, match="belongs to another user"):
        close_home(airflow)


def test_what_airflow_writes_is_never_open(airflow: LocalAirflow) -> None:
    """Database and password are there with their modes before Airflow starts."""
    close_home(airflow)
    make_private_files(airflow)
    password = admin_password(airflow)
    with sqlite3.connect(airflow.database) as database:
        database.execute("CREATE TABLE held (secret TEXT)")
    make_private_files(airflow)

    assert admin_password(airflow) == password, "made once"
    assert len(password) >= 16
    modes = {path.stat().st_mode & 0o777 for path in airflow.home.iterdir()}
    assert modes == {0o600}
    assert airflow.database.stat().st_size > 0
