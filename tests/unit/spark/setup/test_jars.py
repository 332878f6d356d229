"""The rules of ``jars``: only the locked files are used, whatever fails."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from sluice.errors import Condition, FatalError
from sluice.spark.setup.ivy import ivy_name
from sluice.spark.setup.jars import (
    Jar,
    install_jars,
    jar_states,
    locked_jars,
    require_jars,
)


def jar(content: bytes, artifact: str = "a") -> Jar:
    """Return a locked jar with ``content``."""
    return Jar(f"group:{artifact}:1", hashlib.sha256(content).hexdigest())


class Repository:
    """A repository that serves fixed contents and notes what it was asked for."""

    def __init__(self, served: dict[str, bytes]) -> None:
        self.served = served
        self.asked: list[str] = []

    def fetch(self, coordinates: Sequence[str], folder: Path) -> list[Path]:
        """Write what is served for ``coordinates`` into ``folder``."""
        self.asked += coordinates
        paths = [folder / ivy_name(coordinate) for coordinate in coordinates]
        for coordinate, path in zip(coordinates, paths, strict=True):
            path.write_bytes(self.served[coordinate])
        return paths


def test_the_lock_names_delta_and_its_storage_only() -> None:
    """More jars would put older copies before those that Spark ships."""
    assert [each.coordinate for each in locked_jars()] == [
        "io.delta:delta-spark_4.2_2.13:4.4.0",
        "io.delta:delta-storage:4.4.0",
    ]


def test_every_locked_checksum_is_a_sha256() -> None:
    """A cut checksum would refuse every file."""
    assert all(len(bytes.fromhex(each.sha256)) == 32 for each in locked_jars())


def test_a_jar_is_named_as_maven_names_it() -> None:
    """The name must have the artifact and its version."""
    assert Jar("io.delta:delta-storage:4.4.0", "").file_name == (
        "delta-storage-4.4.0.jar"
    )


def test_a_jar_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """A second set-up must not need a network."""
    repository = Repository({"group:a:1": b"x"})
    install_jars(repository.fetch, [jar(b"x")], tmp_path)
    assert install_jars(repository.fetch, [jar(b"x")], tmp_path) == []
    assert repository.asked == ["group:a:1"]


def test_only_the_damaged_jar_is_fetched_again(tmp_path: Path) -> None:
    """A half-downloaded file is replaced, its neighbour is left alone."""
    jars = [jar(b"x", "a"), jar(b"y", "b")]
    repository = Repository({"group:a:1": b"x", "group:b:1": b"y"})
    install_jars(repository.fetch, jars, tmp_path)
    (tmp_path / "b-1.jar").write_bytes(b"")
    assert install_jars(repository.fetch, jars, tmp_path) == ["group:b:1"]
    assert all(state.ok for state in jar_states(jars, tmp_path))


def test_what_the_repository_changed_gets_no_name(tmp_path: Path) -> None:
    """A wrong file must not stay where a later start would look for the right one."""
    repository = Repository({"group:a:1": b"evil"})
    with pytest.raises(FatalError) as caught:
        install_jars(repository.fetch, [jar(b"x")], tmp_path)
    assert caught.value.condition is Condition.INSTALLATION_BROKEN
    assert caught.value.context["jars"] == ["group:a:1"]
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_fetching_leaves_no_jar_and_the_next_call_mends_it(
    tmp_path: Path,
) -> None:
    """Set-up can be interrupted anywhere and run again."""

    def killed(coordinates: Sequence[str], folder: Path) -> list[Path]:
        (folder / "part").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install_jars(killed, [jar(b"x")], tmp_path)
    assert not (tmp_path / "a-1.jar").exists()
    repository = Repository({"group:a:1": b"x"})
    assert install_jars(repository.fetch, [jar(b"x")], tmp_path) == ["group:a:1"]


@pytest.mark.parametrize("damage", [b"", b"changed", None])
def test_a_session_refuses_each_damaged_jar_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes | None
) -> None:
    """Half, changed and missing files are all named, with the remedy."""
    jars = [jar(b"x", "a"), jar(b"y", "b")]
    monkeypatch.setattr("sluice.spark.setup.jars.jars_folder", lambda: tmp_path)
    monkeypatch.setattr("sluice.spark.setup.jars.locked_jars", lambda _lock: jars)
    (tmp_path / "a-1.jar").write_bytes(b"x")
    if damage is not None:
        (tmp_path / "b-1.jar").write_bytes(damage)
    with pytest.raises(FatalError, match="make setup") as caught:
        require_jars()
    assert caught.value.context["jars"] == ["group:b:1"]
    assert "b-1.jar" in str(caught.value)
