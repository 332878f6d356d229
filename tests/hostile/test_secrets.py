"""Secrets are never readable by others, not for a moment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sluice.spark.setup.installation import write_text_atomically


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
