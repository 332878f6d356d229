"""What ``bootstrap`` starts: an interpreter, its installers and its steps."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap


def test_an_interpreter_that_starts_is_kept() -> None:
    """Making it again would throw away the packages of an interrupted set-up."""
    assert bootstrap.works(Path(sys.executable))


@pytest.mark.parametrize("text", [None, "#!/bin/sh\nexit 1\n"])
def test_an_interpreter_that_is_broken_is_replaced(
    tmp_path: Path, text: str | None
) -> None:
    """A kill can leave a folder without an interpreter that starts."""
    python = tmp_path / "python"
    if text is not None:
        python.write_text(text)
        python.chmod(0o755)
    assert not bootstrap.works(python)


def test_a_failed_step_is_named_with_the_way_on(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The step's own message comes first, then what to do."""
    with pytest.raises(bootstrap.SetUpError, match=r"ended with 3.*run `make setup`"):
        bootstrap._run(["sh", "-c", "echo broken >&2; exit 3"], tmp_path)
    assert "broken" in capfd.readouterr().err


def test_uv_takes_what_it_is_asked() -> None:
    """Where it does not, pip installs instead, and takes minutes."""
    uv = str(Path(sys.executable).with_name("uv"))
    install = [uv, "pip", "install", "--offline", "--dry-run", "--quiet"]

    done = subprocess.run(
        [*install, bootstrap._PLAIN_WHEELS, "--python", sys.executable, "pyspark"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def installer(folder: Path, name: str, *, exit_code: int) -> Path:
    """Make a program that writes what it is asked for into ``<name>.txt``."""
    program = folder / name
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/{name}.txt\nexit {exit_code}\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("uv", "pip", "asked"),
    [(0, 0, {"uv"}), (1, 0, {"uv", "python"}), (1, 1, {"uv", "python"})],
)
def test_pip_installs_where_uv_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: int, pip: int, asked: set[str]
) -> None:
    """Only pip may know where this machine gets its packages."""
    python = installer(tmp_path, "python", exit_code=pip)
    installer(tmp_path, "uv", exit_code=uv)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    if uv and pip:
        monkeypatch.setattr(bootstrap, "_run", lambda *_: None)
        with pytest.raises(bootstrap.SetUpError, match="what pip says above"):
            bootstrap.install_packages(python, tmp_path)
    else:
        bootstrap.install_packages(python, tmp_path)

    written = {file.stem: file.read_text() for file in tmp_path.glob("*.txt")}
    assert set(written) == asked
    assert ("--compression=stored" in written.get("uv", "")) == ("uv" in asked)
    assert all(
        "--require-hashes -r requirements.lock" in text for text in written.values()
    )
