"""An environment that has the built wheel and what it depends on, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from shutil import copytree

from hatchling.build import build_wheel
from packaging.requirements import Requirement

from sluice.spark.setup.installation import share_folder
from sluice.spark.setup.java import java_home

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class CleanEnvironment:
    """An interpreter of its own; ``run`` has nothing of ours in its environment."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / "bin" / "python"

    def run(
        self, *arguments: str, cwd: Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the interpreter as a user does who has activated the environment."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd,
            env=self.variables() | variables,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    @property
    def spark_home(self) -> Path:
        """The Spark that pip has installed there."""
        (found,) = self.folder.glob("lib/python*/site-packages/pyspark")
        return found

    def variables(self) -> dict[str, str]:
        """Return the environment variables: no setting of Spark's and none of ours."""
        ours = ("SPARK", "PYSPARK", "PYTHONPATH", "SLUICE", "PYTEST", "VIRTUAL_ENV")
        plain = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
        path = f"{self.folder / 'bin'}{os.pathsep}{plain.get('PATH', '')}"
        return plain | {
            "PATH": path,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "JAVA_HOME": str(java_home()),
            # Runs of some seconds; nothing that is tested depends on it.
            "JDK_JAVA_OPTIONS": (
                "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
                " -XX:+UseSerialGC -XX:MetaspaceSize=256m"
                " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
            ),
        }


def make_environment(folder: Path, beside: Sequence[str]) -> CleanEnvironment:
    """Install the wheel and link its dependencies, and those ``beside``, from here.

    The packages are the locked ones of this environment, so nothing is fetched; what
    the wheel does not ask for is not there.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    made = CleanEnvironment(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    wheel = folder / build_wheel(str(folder))
    command = ["pip", "--quiet", "install", "--no-deps", "--no-index", "--target"]
    subprocess.run([sys.executable, "-m", *command, str(site), str(wheel)], check=True)
    for name in needed(["sluice", *beside]) - {"sluice"}:
        link(distribution(name), site)
    copytree(share_folder() / "jars", folder / "share" / "sluice" / "jars")
    return made


def needed(names: Sequence[str]) -> set[str]:
    """Return the names of the distributions that ``names`` need, extras included."""
    found: set[str] = set()
    pending = [Requirement(name) for name in names]
    while pending:
        wanted = pending.pop()
        key = f"{wanted.name.lower()}[{','.join(sorted(wanted.extras))}]"
        if key in found:
            continue
        found.add(key)
        pending.extend(requirements(wanted))
    return {key.split("[")[0].replace("_", "-") for key in found}


def requirements(wanted: Requirement) -> Iterator[Requirement]:
    """Yield what a distribution asks for on this machine, with the extras named."""
    for line in distribution(wanted.name).requires or ():
        requirement = Requirement(line)
        extras = wanted.extras or {""}
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": each}) for each in extras):
            yield requirement


def link(package: Distribution, site: Path) -> None:
    """Link the files and folders of an installed distribution into ``site``."""
    tops = {file.parts[0] for file in package.files or () if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        target = site / top
        if not target.exists():
            target.symlink_to(Path(str(package.locate_file(top))))
