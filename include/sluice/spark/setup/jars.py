"""The jars that Spark lacks: fetched once by its Ivy, then files with a checksum."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluice.spark.setup.installation import installation_error, share_folder

LOCK = Path(__file__).with_name("jars.lock")

Fetch = Callable[[Sequence[str], Path], Sequence[Path]]
"""Fetches coordinates into a folder and returns the files, in the same order."""


@dataclass(frozen=True)
class Jar:
    """One jar by its Maven coordinate and the checksum of its file."""

    coordinate: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name that a Maven repository gives the file."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


@dataclass(frozen=True)
class JarState:
    """A locked jar and the checksum found on disk, ``None`` where there is no file."""

    jar: Jar
    path: Path
    found: str | None

    @property
    def ok(self) -> bool:
        """Whether the file is there and is the locked one."""
        return self.found == self.jar.sha256


def locked_jars(lock: Path = LOCK) -> tuple[Jar, ...]:
    """Read the jars and checksums of the lock file."""
    rows = tomllib.loads(lock.read_text(encoding="utf-8"))["jar"]
    return tuple(Jar(row["coordinate"], row["sha256"]) for row in rows)


def jars_folder() -> Path:
    """Return the folder that holds this installation's jars."""
    return share_folder() / "jars"


def jar_states(jars: Sequence[Jar], folder: Path) -> list[JarState]:
    """Read the checksum of every jar in ``folder``."""
    paths = [folder / jar.file_name for jar in jars]
    return [
        JarState(jar, path, _sha256(path))
        for jar, path in zip(jars, paths, strict=True)
    ]


def require_jars(
    lock: Path = LOCK, set_up: str = "run `make setup`"
) -> tuple[Path, ...]:
    """Return the jar files, or raise naming each one that is missing or changed.

    Every session checks the whole checksums: ten megabytes take about 10 ms.
    """
    states = jar_states(locked_jars(lock), jars_folder())
    _refuse(
        [state for state in states if not state.ok],
        f"{set_up}, which fetches it again",
    )
    return tuple(state.path for state in states)


def install_jars(fetch: Fetch, jars: Sequence[Jar], folder: Path) -> list[str]:
    """Fetch what ``folder`` lacks and return those coordinates.

    Whatever was fetched is verified before it gets its name, so a kill leaves either no
    file or the right one, and a second call fetches only what is still wrong.
    """
    wrong = [state for state in jar_states(jars, folder) if not state.ok]
    if not wrong:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    coordinates = [state.jar.coordinate for state in wrong]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as draft:
        fetched = [
            JarState(state.jar, path, _sha256(path))
            for state, path in zip(wrong, fetch(coordinates, Path(draft)), strict=True)
        ]
        _refuse(
            [state for state in fetched if not state.ok],
            "what the repository serves is not what the lock expects: "
            "try again, and look at your Maven mirror",
        )
        for state, target in zip(fetched, wrong, strict=True):
            state.path.replace(target.path)
    return coordinates


def _refuse(wrong: Sequence[JarState], remedy: str) -> None:
    """Raise for jars that are not the locked ones."""
    if not wrong:
        return
    named = "; ".join(
        f"{str(state.path)!r} expected SHA-256 {state.jar.sha256}, "
        f"found {state.found or 'no file'}"
        for state in wrong
    )
    raise installation_error(
        f"jar missing or changed: {named}; {remedy}",
        {"jars": [state.jar.coordinate for state in wrong]},
    )


def _sha256(path: Path) -> str | None:
    """Return the checksum of ``path``, ``None`` where there is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
