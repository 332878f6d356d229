"""What ``bootstrap`` starts: an interpreter, and its steps."""

from __future__ import annotations

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
