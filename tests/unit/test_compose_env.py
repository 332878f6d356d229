"""The secrets that `make compose-env` writes."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest

from compose_env import SECRETS, missing_secrets, write_secrets


@pytest.fixture
def file(tmp_path) -> Path:
    """Return the place of a file that is not there yet."""
    return tmp_path / ".env"


def read(file: Path) -> dict[str, str]:
    """Return what a `.env` sets."""
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def test_every_secret_is_new_and_needs_no_quotes(tmp_path):
    """A password is part of the database's URL, and a `$` would be a variable."""
    first, second = tmp_path / "first", tmp_path / "second"
    for file in (first, second):
        assert write_secrets(file) == list(SECRETS)
    assert read(first).keys() == SECRETS.keys()
    assert not set(read(first).values()) & set(read(second).values())
    for value in read(first).values():
        assert len(value) >= 24
        assert quote(value, safe="=") == value
    assert len(base64.urlsafe_b64decode(read(first)["SLUICE_FERNET_KEY"])) == 32


def test_only_the_owner_can_read_the_file(file):
    """Also where an editor has left it open to others."""
    write_secrets(file)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert write_secrets(file) == []
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_there_is_kept_and_what_is_missing_added(file):
    """The database has its password from the first start on; a new one locks us out."""
    file.write_text("# mine\nSLUICE_PORT=8181\nSLUICE_JWT_SECRET=kept\nSLUICE_X=1")
    added = write_secrets(file)
    assert set(added) == SECRETS.keys() - {"SLUICE_JWT_SECRET"}
    found = read(file)
    assert file.read_text().startswith("# mine\nSLUICE_PORT=8181\n")
    assert (found["SLUICE_JWT_SECRET"], found["SLUICE_X"]) == ("kept", "1")
    before = file.read_bytes()
    assert write_secrets(file) == []
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == [".env"]


@pytest.mark.parametrize("line", ["SLUICE_JWT_SECRET=", "# SLUICE_JWT_SECRET=x", ""])
def test_a_secret_without_a_value_is_missing(line):
    """Compose refuses an empty one, so it must be made."""
    assert "SLUICE_JWT_SECRET" in missing_secrets(line)
