"""The rules of ``bootstrap``: set-up is done once, and again if interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

import bootstrap


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout that holds the inputs of set-up."""
    for name in bootstrap.INPUTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put notes in the place of the steps that take minutes."""
    done: list[str] = []

    def make_venv(venv: Path) -> Path:
        done.append("venv")
        venv.mkdir(exist_ok=True)
        return venv / "bin" / "python"

    monkeypatch.setattr(bootstrap, "make_venv", make_venv)
    monkeypatch.setattr(
        bootstrap, "install_packages", lambda *_: done.append("packages")
    )
    monkeypatch.setattr(bootstrap, "_run", lambda *_: done.append("spark"))
    return done


def test_every_input_of_set_up_is_there() -> None:
    """A name that is gone would break set-up on the first call."""
    missing = [
        name for name in bootstrap.INPUTS if not (bootstrap.ROOT / name).is_file()
    ]
    assert missing == []


def test_a_second_set_up_does_nothing(checkout: Path, steps: list[str]) -> None:
    """Every target of the Makefile begins with set-up."""
    bootstrap.set_up(checkout)
    bootstrap.set_up(checkout)
    assert steps == ["venv", "packages", "spark"]


def test_packages_alone_come_first_and_only_once(
    checkout: Path, steps: list[str]
) -> None:
    """Lint and types begin with them while Java and Spark are prepared."""
    bootstrap.set_up(checkout, only_packages=True)
    bootstrap.set_up(checkout, only_packages=True)
    assert steps == ["venv", "packages"]
    bootstrap.set_up(checkout)
    assert steps == ["venv", "packages", "spark"]


@pytest.mark.parametrize("name", bootstrap.INPUTS)
def test_a_changed_input_sets_up_again(
    checkout: Path, steps: list[str], name: str
) -> None:
    """A pulled lock file must not run with yesterday's packages."""
    bootstrap.set_up(checkout)
    (checkout / name).write_text("changed")
    bootstrap.set_up(checkout)
    is_package = name in bootstrap.PACKAGE_INPUTS
    again = ["venv", "packages", "spark"] if is_package else ["spark"]
    assert steps == ["venv", "packages", "spark", *again]


def test_an_interrupted_set_up_is_run_again(
    checkout: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp is written last and taken away first."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    bootstrap.set_up(checkout)
    (checkout / "requirements.lock").write_text("changed")
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "install_packages", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.set_up(checkout)
    (checkout / "requirements.lock").write_text("requirements.lock")
    bootstrap.set_up(checkout)
    assert steps == ["venv", "packages", "spark", "venv", "venv", "packages", "spark"]


def test_a_moved_checkout_is_set_up_again(checkout: Path) -> None:
    """A virtual environment holds the path where it was made."""
    assert bootstrap.fingerprint(checkout, ["pyproject.toml"]) != (
        bootstrap.fingerprint(checkout / "include" / "..", ["pyproject.toml"])
    )


@pytest.mark.parametrize("version", [(3, 10), (2, 7)])
def test_an_old_python_is_refused_with_the_remedy(version: tuple[int, int]) -> None:
    """The error must say which one is needed and how to name it."""
    with pytest.raises(bootstrap.SetUpError, match=r"make PYTHON=python3\.11"):
        bootstrap.require_python(version)


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (4, 0)])
def test_a_new_python_passes(version: tuple[int, int]) -> None:
    """Only what is too old is refused."""
    bootstrap.require_python(version)


def test_pin_of_one_package_is_found_with_its_hashes() -> None:
    """Pip takes uv, and nothing that was not locked."""
    lock = "uvicorn==0.5 \\\n    --hash=sha256:aa\nuv==1.2 \\\n"
    lock += "    --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via sluice\nx==1\n"

    assert bootstrap.locked("uv", lock) == (
        "uv==1.2 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    )


def test_lock_of_this_project_pins_uv() -> None:
    """Set-up looks for it there."""
    lock = (bootstrap.ROOT / "requirements.lock").read_text()

    assert bootstrap.locked("uv", lock).startswith("uv==")


def test_package_that_the_lock_does_not_pin_is_named() -> None:
    """What is not locked is not installed."""
    with pytest.raises(bootstrap.SetUpError, match="does not pin uv"):
        bootstrap.locked("uv", "uvicorn==0.5\n")
