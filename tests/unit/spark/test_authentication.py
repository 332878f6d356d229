"""Which drivers authenticate, and with what."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.errors import UsageError
from sluice.spark.authentication import (
    SECRET,
    SECRET_FILE,
    SECRET_KEY,
    daemon_authentication,
    driver_authentication,
)

MASTER = "spark://host:7077"


def test_driver_and_daemons_agree() -> None:
    """A setting that differs ends every handshake."""
    found = driver_authentication(MASTER, {SECRET: "known"})
    assert found.pop(SECRET_KEY) == "known"
    assert daemon_authentication() == [f"-D{key}={found[key]}" for key in found]


@pytest.mark.parametrize("master", ["local[*]", "yarn", "k8s://https://host:6443"])
def test_other_masters_get_no_secret(master: str) -> None:
    """Spark makes up its own there."""
    assert driver_authentication(master, {SECRET: "known"}) == {}


def test_cluster_without_a_secret_is_left_as_it_is() -> None:
    """One of the user's own may be open, or have its settings in a file."""
    assert driver_authentication(MASTER, {}) == {}


def test_secret_is_read_from_the_file_that_is_named(tmp_path: Path) -> None:
    """An editor may have ended it with a line."""
    file = tmp_path / "secret"
    file.write_text("known\n")
    found = driver_authentication(MASTER, {SECRET_FILE: str(file)})
    assert found[SECRET_KEY] == "known"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b" \n", "is empty"), (b"\xff", "")],
)
def test_file_without_a_secret_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """A driver without one would wait a minute for a master that refuses it."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=f"secret' .*{reason}"):
        driver_authentication(MASTER, {SECRET_FILE: str(file)})
