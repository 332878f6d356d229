"""Set-up of this checkout: ``python3 include/bootstrap.py``; a second run does nothing.

It needs no package: it makes ``.venv``, installs the locked packages and this project,
and lets the new interpreter fetch the jars and prepare Java and Spark. The argument
``packages`` leaves out Java and Spark: lint and types do without them.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
PACKAGE_INPUTS = ("requirements.lock", "pyproject.toml", "include/bootstrap.py")
INPUTS = (
    *PACKAGE_INPUTS,
    "include/sluice/spark/setup/compiler.py",
    "include/sluice/spark/disk.py",
    "include/sluice/spark/source.py",
    "include/sluice/spark/session_jars.py",
    "include/sluice/spark/CloudFilesScan.java",
    "include/sluice/spark/CloudFilesScanBuilder.java",
    "include/sluice/spark/CloudFilesSource.java",
    "include/sluice/spark/CloudFilesTable.java",
    "include/sluice/spark/ColumnsFactory.java",
    "include/sluice/spark/ColumnsReader.java",
    "include/sluice/spark/DiskContext.java",
    "include/sluice/spark/DiskFiles.java",
    "include/sluice/spark/DiskFileSystem.java",
    "include/sluice/spark/FileMetadata.java",
    "include/sluice/spark/InputFileNames.java",
    "include/sluice/spark/LinkedFile.java",
    "include/sluice/spark/LinkingLogStore.java",
    "include/sluice/spark/ReadFiles.java",
    "include/sluice/spark/RunsVector.java",
    "include/sluice/spark/TableTypes.java",
    "include/sluice/spark/WideningCheck.java",
    "include/sluice/spark/setup/jars.lock",
    "include/sluice/spark/setup/jars.py",
    "include/sluice/spark/setup/java.py",
    "include/sluice/spark/setup/java_classes.py",
    "include/sluice/spark/setup/prepare.py",
    "include/sluice/spark/session.py",
    "include/sluice/spark/tuning.py",
    "include/sluice/spark/setup/class_archive.py",
    "include/sluice/spark/setup/class_training.py",
    "include/sluice/spark/log4j2.properties",
)
# PySpark comes as sources: what is built of them is unpacked at once, and to compress
# its jars before, which are compressed already, took most of the time.
_PLAIN_WHEELS = "--config-settings-package=pyspark:--build-option=--compression=stored"


class SetUpError(Exception):
    """Set-up cannot go on; the message says what to do."""


def main() -> int:
    """Set up what is missing and return the exit code."""
    try:
        require_python(sys.version_info[:2])
        set_up(ROOT, only_packages=sys.argv[1:] == ["packages"])
    except SetUpError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


def set_up(root: Path, *, only_packages: bool = False) -> None:
    """Bring ``root/.venv`` up to date, or only the packages in it."""
    _once(root, "packages", PACKAGE_INPUTS, make_packages)
    if not only_packages:
        _once(root, "spark", INPUTS, prepare_spark)


def make_packages(root: Path) -> None:
    """Make the environment and install into it; Spark is then prepared again."""
    _stamp(root, "spark").unlink(missing_ok=True)
    install_packages(make_venv(root / ".venv"), root)


def prepare_spark(root: Path) -> None:
    """Let the interpreter of the environment fetch the jars and prepare Java."""
    _say("Spark: jars, Java, configuration")
    python = root / ".venv" / "bin" / "python"
    _run([str(python), "-m", "sluice.spark.setup.prepare"], root)


def require_python(version: tuple[int, int]) -> None:
    """Raise unless ``version`` can run the project."""
    if version < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        found = ".".join(map(str, version))
        raise SetUpError(
            f"Python {wanted} or newer is needed, {sys.executable} is {found}; "
            f"install one and name it: make PYTHON=python{wanted} setup"
        )


def fingerprint(root: Path, inputs: Iterable[str]) -> str:
    """Return a hash of the place and of every file that set-up depends on."""
    digest = hashlib.sha256(str(root).encode())
    for name in inputs:
        digest.update(name.encode() + b"\0" + (root / name).read_bytes() + b"\0")
    return digest.hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    """Return True if the last finished set-up had these very inputs."""
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def make_venv(venv: Path) -> Path:
    """Make ``venv`` unless it works, and return its interpreter."""
    python = venv / "bin" / "python"
    if works(python):
        return python
    _say("making .venv")
    uv = shutil.which("uv")
    if uv:
        _run(
            [uv, "venv", "--quiet", "--clear", "-p", sys.executable, str(venv)],
            venv.parent,
        )
    else:
        _run([sys.executable, "-m", "venv", "--clear", str(venv)], venv.parent)
    return python


def works(python: Path) -> bool:
    """Return True if ``python`` starts and is new enough."""
    if not python.is_file():
        return False
    check = f"import sys; sys.exit(sys.version_info[:2] < {OLDEST_PYTHON})"
    return subprocess.run([python, "-c", check], check=False).returncode == 0


def install_packages(python: Path, root: Path) -> None:
    """Install the locked packages, then this project without touching them."""
    _say("installing packages, a minute or more the first time")
    installers = (install_with_uv, install_with_pip)
    if not any(install(python, root) for install in installers):
        raise SetUpError(
            "the packages could not be installed; mend what pip says above and run "
            "`make setup` again"
        )


def install_with_uv(python: Path, root: Path) -> bool:
    """Install by uv, several times as fast as pip; return False where it cannot.

    Pip fetches it where it is missing. Uv does not read pip's configuration, so that
    only pip may know where this machine gets its packages.
    """
    uv = shutil.which("uv") or fetch_uv(python, root)
    if uv is None:
        return False
    install = [uv, "pip", "install", "--compile-bytecode", "--python", str(python)]
    return _installs([*install, _PLAIN_WHEELS], root)


def install_with_pip(python: Path, root: Path) -> bool:
    """Install by pip, which every Python brings; return False if it fails."""
    pip = [str(python), "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        _run([str(python), "-m", "ensurepip", "--upgrade"], root)
    return _installs([*pip, "install", "--disable-pip-version-check"], root)


def fetch_uv(python: Path, root: Path) -> str | None:
    """Let pip install the locked uv; return its path, or None if pip cannot."""
    pip = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as alone:
        alone.write(locked("uv", (root / "requirements.lock").read_text("utf-8")))
        alone.flush()
        done = subprocess.run([*pip, alone.name], capture_output=True, check=False)
    return None if done.returncode else str(python.with_name("uv"))


def locked(package: str, lock: str) -> str:
    """Return the lines of ``lock`` that pin ``package`` and its hashes."""
    pin = re.search(rf"^{re.escape(package)}==(.*\\\n)*.*\n", lock, re.MULTILINE)
    if pin is None:
        raise SetUpError(f"requirements.lock does not pin {package}: run `make lock`")
    return pin[0]


def _once(
    root: Path, name: str, inputs: Iterable[str], work: Callable[[Path], None]
) -> None:
    """Do ``work`` unless it was done with these very inputs; the stamp is written last.

    Work that was killed leaves no stamp, and every step can be run again.
    """
    stamp = _stamp(root, name)
    wanted = fingerprint(root, inputs)
    if is_current(stamp, wanted):
        return
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    work(root)
    stamp.write_text(wanted, encoding="utf-8")
    _say(f"{name} ready after {time.monotonic() - started:.0f} s")


def _stamp(root: Path, name: str) -> Path:
    """Return the file that says with which inputs a part of set-up was done."""
    return root / ".venv" / f".sluice-{name}"


def _installs(install: list[str], root: Path) -> bool:
    """Run ``install`` for the lock and for this project; return True if both went."""
    environment = {**os.environ, "PYTHONPATH": ""}
    wanted = (
        ["--require-hashes", "-r", "requirements.lock"],
        ["--no-deps", "--no-build-isolation", "-e", "."],
    )
    return all(
        subprocess.run(
            [*install, "--quiet", *each], cwd=root, env=environment, check=False
        ).returncode
        == 0
        for each in wanted
    )


def _run(command: list[str], folder: Path) -> None:
    """Run ``command`` or raise naming it."""
    environment = {**os.environ, "PYTHONPATH": ""}
    outcome = subprocess.run(command, cwd=folder, env=environment, check=False)
    if outcome.returncode:
        raise SetUpError(
            f"{' '.join(command)!r} ended with {outcome.returncode}; "
            "mend what it says above and run `make setup` again"
        )


def _say(line: str) -> None:
    """Print one line of progress."""
    print(f"set-up: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
